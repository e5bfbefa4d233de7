"""A command that runs in a fork is, to those who call it, the command: output, exit code, signals."""

import ast
import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import yaml

from prn_pipeline.sweep.environment import tool_environment
from prn_pipeline.sweep.warm import commands, stand_in
from prn_pipeline.sweep.warm.commands import WarmCommands, warm_commands
from tests.conftest import hearing_ctrl_c

PROJECT = Path(__file__).resolve().parents[3]
#: Seconds after which a test fails, on however busy a machine.
TIMEOUT = 120

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="commands start at once on Linux only")


@pytest.fixture(scope="module")
def warm() -> Iterator[WarmCommands]:
    """A `dvc` that starts at once."""
    with hearing_ctrl_c(), warm_commands(PROJECT, tool_environment(), ["dvc"]) as made:
        assert made.processes, "this system can fork"
        yield made


@pytest.fixture
def stage(tmp_path: Path, warm: WarmCommands) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `dvc repro` of one stage with the command that it is given."""
    made: list[subprocess.Popen[str]] = []

    def start(command: str, **variables: str) -> subprocess.Popen[str]:
        (tmp_path / ".dvc").mkdir()
        (tmp_path / ".dvc/config").write_text("[core]\nno_scm = true\nanalytics = false\ncheck_update = false\n")
        (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"one": {"cmd": command}}}))
        started = subprocess.Popen(
            ["dvc", "repro", "-q"],
            cwd=tmp_path,
            env={**warm.environment, **variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        made.append(started)
        return started

    yield start
    for process in made:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        process.stdout.close()  # not read to its end, for which a `sleep` would be waited
        process.wait(TIMEOUT)


def wait_for(happens: Callable[[], object]) -> None:
    """Wait until something is true."""
    end = time.monotonic() + TIMEOUT
    while not happens():
        assert time.monotonic() < end, f"nothing happened for {TIMEOUT} s"
        time.sleep(0.02)


def test_what_runs_has_the_folder_the_variables_and_the_streams_of_the_caller(
    stage: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    started = stage("pwd > place && echo $WORD && cat", WORD="passed")
    assert started.communicate("typed\n", TIMEOUT)[0].split() == ["passed", "typed"]
    assert started.returncode == 0
    assert (tmp_path / "place").read_text().strip() == str(tmp_path)


def test_a_command_runs_in_a_fork_and_ends_with_its_exit_code(warm: WarmCommands) -> None:
    real = subprocess.run(["dvc", "nonsense"], env=tool_environment(), capture_output=True, text=True, check=False)
    assert real.returncode not in (0, stand_in.UNKNOWN_END)
    fork = subprocess.run(["dvc", "nonsense"], env=warm.environment, capture_output=True, text=True, check=False)
    assert (fork.returncode, fork.stdout, fork.stderr) == (real.returncode, real.stdout, real.stderr)


def test_a_failed_stage_is_reported_as_by_the_command_itself(
    stage: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    fork = stage("exit 3")
    printed = fork.communicate(timeout=TIMEOUT)[0]
    real = subprocess.run(
        ["dvc", "repro", "-q"], cwd=tmp_path, env=tool_environment(), capture_output=True, text=True, check=False
    )
    assert (fork.returncode, printed) == (real.returncode, real.stdout + real.stderr)


def test_stages_are_recorded_as_by_the_command_itself(tmp_path: Path, warm: WarmCommands) -> None:
    places = {"fork": warm.environment, "real": tool_environment()}
    printed: dict[str, list[str]] = {place: [] for place in places}
    for place, environment in places.items():
        folder = tmp_path / place
        (folder / ".dvc").mkdir(parents=True)
        (folder / ".dvc/config").write_text("[core]\nno_scm = true\nanalytics = false\ncheck_update = false\n")
        for text in ("one", "two"):
            stages = {name: {"cmd": f"echo {text} > {name}", "outs": [name]} for name in ("a", "b")}
            stages["b"]["params"] = [{"settings.yml": ["size"]}]
            (folder / "settings.yml").write_text("size: 1.0\n")
            (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
            for name in ("b", "a", "b"):
                ended = subprocess.run(
                    ["dvc", "repro", "--single-item", name],
                    cwd=folder,
                    env=dict(environment),
                    capture_output=True,
                    text=True,
                    check=True,
                )
                printed[place].append(ended.stdout)
    assert (tmp_path / "fork/dvc.lock").read_text() == (tmp_path / "real/dvc.lock").read_text()
    assert printed["fork"] == printed["real"]
    assert "Updating lock file" in "".join(printed["real"])
    assert warm.processes["dvc"].poll() is None, "it has answered, as the command itself would have started otherwise"


def test_a_signal_ends_the_command_and_its_caller_sees_which(
    stage: Callable[..., subprocess.Popen[str]], tmp_path: Path, warm: WarmCommands
) -> None:
    started = stage("touch begun; sleep 3")
    wait_for((tmp_path / "begun").exists)
    started.send_signal(signal.SIGTERM)
    assert started.wait(TIMEOUT) == -signal.SIGTERM
    wait_for(lambda: not warm.running())


def test_ctrl_c_reaches_what_the_command_has_started(
    stage: Callable[..., subprocess.Popen[str]], tmp_path: Path, warm: WarmCommands
) -> None:
    started = stage("trap 'touch interrupted; exit 1' INT; touch begun; while true; do sleep 0.02; done")
    wait_for((tmp_path / "begun").exists)
    os.killpg(started.pid, signal.SIGINT)  # as a terminal does
    assert started.wait(TIMEOUT) != 0
    assert (tmp_path / "interrupted").exists()


def test_a_caller_that_is_killed_takes_the_command_along(
    stage: Callable[..., subprocess.Popen[str]], tmp_path: Path, warm: WarmCommands
) -> None:
    started = stage("touch begun; sleep 3")
    wait_for((tmp_path / "begun").exists)
    assert warm.running()
    started.kill()
    wait_for(lambda: not warm.running())


def test_processes_end_with_the_one_that_started_them_even_if_it_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from prn_pipeline.sweep.warm.commands import warm_commands\n"
        "from prn_pipeline.sweep.environment import tool_environment\n"
        f"with warm_commands(Path({str(PROJECT)!r}), tool_environment(), ['dvc']) as made:\n"
        "    print(made.processes[\"dvc\"].pid, made.environment['PATH'].split(':')[0], flush=True); time.sleep(60)"
    )
    owner = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    pid, folder = owner.stdout.readline().split()
    assert Path(folder, "dvc").exists()
    owner.kill()
    owner.communicate(timeout=TIMEOUT)
    wait_for(lambda: not psutil.pid_exists(int(pid)) or psutil.Process(int(pid)).status() == psutil.STATUS_ZOMBIE)
    wait_for(lambda: not Path(folder).exists())


def test_code_that_has_changed_since_it_was_imported_does_not_run(tmp_path: Path) -> None:
    shutil.copytree(PROJECT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("*.egg-info"))
    with warm_commands(tmp_path, tool_environment(), ["dvc"]) as made:
        address = Path(made.environment["PATH"].split(os.pathsep)[0]) / f"dvc{commands.SOCKET}"
        command = ["dvc", "--version"]
        with Path(os.devnull).open("w") as nowhere:
            assert _answer(address, command, nowhere.fileno()) == stand_in.ENDED + b"\0"
            os.utime(tmp_path / "src/prn_pipeline/sweep/warm/programs.py")
            assert _answer(address, command, nowhere.fileno()) is None


def _answer(address: Path, command: list[str], output: int) -> bytes | None:
    """What `stand_in.run` returns, whose command writes to another file than this process."""
    code = (
        "import sys; from prn_pipeline.sweep.warm.stand_in import run\n"
        "print(repr(run(sys.argv[1], sys.argv[2:])), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(address), *command], stdout=output, stderr=subprocess.PIPE, check=True
    )
    answer: bytes | None = ast.literal_eval(done.stderr.decode())
    return answer


def test_where_nobody_answers_the_command_itself_starts(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-IS", stand_in.__file__, str(tmp_path / "nobody"), "/bin/sh", "-c", "echo itself; exit 5"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("itself\n", 5)


def test_a_command_of_another_installation_starts_as_always(tmp_path: Path) -> None:
    (other := tmp_path / "dvc").write_text("#!/bin/sh\n")
    other.chmod(0o700)
    environment = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    with warm_commands(PROJECT, environment, ["dvc"]) as made:
        assert not made.processes
        assert made.environment == environment


def refused(*arguments: object, **options: object) -> None:
    raise OSError(errno.ENOSYS, "not here")


@pytest.mark.parametrize("name", ["os.pidfd_open", "prn_pipeline.sweep.warm.commands.mkdtemp", "socket.socket.bind"])
def test_commands_start_as_always_where_the_system_refuses(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(name, refused)
    with warm_commands(PROJECT, tool_environment(), ["dvc"]) as made:
        assert not made.processes


def test_sigterm_to_all_processes_reaches_what_the_command_has_started(
    stage: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    started = stage("trap 'touch ended; exit 1' TERM; touch begun; while true; do sleep 0.02; done")
    wait_for((tmp_path / "begun").exists)
    os.killpg(started.pid, signal.SIGTERM)  # as `timeout` does
    assert started.wait(TIMEOUT) != 0
    wait_for((tmp_path / "ended").exists)


def test_a_command_that_is_suspended_stops_and_goes_on(
    stage: Callable[..., subprocess.Popen[str]], tmp_path: Path, warm: WarmCommands
) -> None:
    started = stage("touch begun; while ! test -e go; do sleep 0.02; done")
    wait_for((tmp_path / "begun").exists)
    started.send_signal(signal.SIGTSTP)
    wait_for(lambda: [one.status() for one in warm.running()] == [psutil.STATUS_STOPPED])
    started.send_signal(signal.SIGCONT)
    wait_for(lambda: psutil.STATUS_STOPPED not in [one.status() for one in warm.running()])
    (tmp_path / "go").touch()
    assert started.wait(TIMEOUT) == 0


def test_commands_start_as_always_where_a_graphics_processor_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "GRAPHICS", (tmp_path,))
    with warm_commands(PROJECT, tool_environment(), ["dvc"]) as made:
        assert not made.processes
