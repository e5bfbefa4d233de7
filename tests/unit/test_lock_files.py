"""The lock files agree with each other and with what `pyproject.toml` asks for."""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).parents[2]
#: Extras that `make setup` installs; `dev` is all of them and what tests and development need.
RUN = ("pipeline", "serving", "formats", "heif", "s3", "distributed")
EXTRAS_OF = {
    "requirements-serving.lock": ("serving", "heif"),
    "requirements.lock": RUN,
    "requirements-dev.lock": (*RUN, "docs", "dev"),
}


def locked(name: str) -> dict[str, str]:
    """Package -> its pinned version with the platforms that it is for."""
    lines = re.findall(r"^([\w.-]+)==([^\\\n]+)", (PROJECT / name).read_text(), flags=re.MULTILINE)
    return {canonicalize_name(package): version.strip() for package, version in lines}


def asked(*extras: str) -> list[Requirement]:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"], *(line for extra in extras for line in project["optional-dependencies"][extra])]
    found = map(Requirement, lines)
    return [one for one in found if canonicalize_name(one.name) != canonicalize_name(project["name"])]


def test_a_server_has_what_the_project_has_and_no_more() -> None:
    serving, run = locked("requirements-serving.lock"), locked("requirements.lock")
    versions = {package: version.partition(" ")[0] for package, version in serving.items()}
    assert {package: run.get(package, "").partition(" ")[0] for package in serving} == versions
    assert not {"kedro", "mlflow", "dvc", "lightning"} & set(serving)


def test_development_adds_to_what_users_run_with_and_changes_nothing() -> None:
    run, development = locked("requirements.lock"), locked("requirements-dev.lock")
    assert {package: development.get(package) for package in run} == run
    assert "pytest" in development
    assert "pytest" not in run


@pytest.mark.parametrize("name", EXTRAS_OF)
def test_a_lock_holds_what_the_project_asks_for(name: str) -> None:
    versions, requirements = locked(name), asked(*EXTRAS_OF[name])
    assert len(requirements) > 20
    for requirement in requirements:
        pinned = versions[canonicalize_name(requirement.name)].partition(" ")[0]
        assert requirement.specifier.contains(pinned, prereleases=True), (requirement, pinned)


def test_locks_hold_for_other_systems() -> None:
    versions = locked("requirements.lock")
    only_on_linux = {package for package, version in versions.items() if "sys_platform == 'linux'" in version}
    assert {package for package in versions if package.startswith(("nvidia-", "triton"))} <= only_on_linux
    assert "torch" not in only_on_linux


@pytest.mark.parametrize("uv_works", [True, False])
def test_set_up_installs_with_uv_and_with_pip_where_uv_cannot(uv_works: bool, tmp_path: Path) -> None:
    environment, calls = tmp_path / "env", tmp_path / "calls"
    for program, code in (("uv/bin/uv", int(not uv_works)), ("bin/python", 0)):
        file = environment / program
        file.parent.mkdir(parents=True)
        file.write_text(f'#!/bin/sh\necho {program} "$@" >> {calls}\nexit {code}\n')
        file.chmod(0o700)
    lock = tmp_path / "some.lock"
    lock.write_text("")
    command = ["make", "packages", f"VENV={environment}", "PYTHON=true", f"LOCK={lock}"]
    variables = {name: value for name, value in os.environ.items() if name != "PIP_NO_INDEX"}
    done = subprocess.run(command, cwd=PROJECT, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    installs = [line for line in calls.read_text().splitlines() if f"--no-deps --require-hashes -r {lock}" in line]
    assert [line.split()[0] for line in installs] == (["uv/bin/uv"] if uv_works else ["uv/bin/uv", "bin/python"])
    assert ("pip does" in done.stdout) is not uv_works


def test_uv_is_pinned_with_its_hashes() -> None:
    assert list(locked("requirements-uv.lock")) == ["uv"]
    assert "--hash=sha256:" in (PROJECT / "requirements-uv.lock").read_text()
