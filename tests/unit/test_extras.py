"""The method and predictors do without the extras, and a command that needs one says how to get it."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from prn_pipeline.commands.user_errors import EXTRAS, as_user_error
from prn_pipeline.errors import UserError

PROJECT = Path(__file__).parents[2]
#: Extras that no other package looks for and imports if it is there, as torch does with onnx and cloudpickle.
ALONE = ("dask", "dvc", "kedro", "kedro_datasets", "kedro_mlflow", "lightning", "matplotlib", "mlflow", "omegaconf")
SERVER = ("starlette", "uvicorn")
#: As in an environment without the extras; the modules that cannot be imported there.
WITHOUT = """
import importlib, json, pkgutil, sys
from pathlib import Path
import prn_pipeline

class NoExtras:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in json.loads(sys.argv[1]):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, NoExtras())
refused = []
for room in sys.argv[2:]:
    folder = str(Path(prn_pipeline.__file__).parent / room)
    for module in pkgutil.walk_packages([folder], f"prn_pipeline.{room}."):
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError:
            refused.append(module.name.removeprefix("prn_pipeline."))
print(json.dumps(refused))
"""


def modules_that_need_extras(*rooms: str) -> set[str]:
    command = [sys.executable, "-c", WITHOUT, json.dumps([*ALONE, *SERVER]), *rooms]
    return set(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))


def test_only_the_server_needs_extras_to_be_imported() -> None:
    found = modules_that_need_extras("metrics", "comparison", "refinement", "segmentation", "serving")
    assert found == {"serving.server.application", "serving.server.connection", "serving.server.running"}


def test_predictors_come_without_extras() -> None:
    command = "import prn_pipeline, sys; prn_pipeline.Predictor; print(*{one.partition('.')[0] for one in sys.modules})"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & {*ALONE, *SERVER}


@pytest.mark.parametrize(
    ("module", "extra"), [("kedro.utils", "pipeline"), ("starlette", "serving"), ("dask", "distributed")]
)
def test_the_message_names_the_extra(module: str, extra: str) -> None:
    found = as_user_error(ModuleNotFoundError(f"No module named {module!r}", name=module))
    assert isinstance(found, UserError)
    assert str(found) == f"{module} is not installed: pip install 'prn_pipeline[{extra}]'"


def test_a_missing_module_of_nobody_is_a_defect() -> None:
    assert as_user_error(ModuleNotFoundError("No module named 'prn_pipelin'", name="prn_pipelin")) is None


def test_every_extra_that_is_named_exists() -> None:
    extras = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(EXTRAS.values()) <= set(extras)


def texts_with_pip() -> list[str]:
    """What follows `pip install` in the texts of the package, f-strings and help included."""
    found = []
    for file in (PROJECT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and "pip install" in node.value:
                found += " ".join(node.value.split()).split("pip install")[1:]
    return found


def test_each_message_says_in_the_same_way_how_to_install_an_extra() -> None:
    metadata = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    found = texts_with_pip()
    assert len(found) > 8
    for text in found:
        named = re.match(r" 'prn_pipeline\[(\w*)", text)
        if named is None:
            assert text.startswith(" pillow-jxl-plugin"), f"pip install{text[:60]}"  # no extra of ours
        elif named[1]:  # empty: the name follows as a value
            assert named[1] in metadata
