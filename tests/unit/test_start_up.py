"""A command imports the libraries that it works with, and no others: a mistyped option does not wait for PyTorch.

Modules are counted, not seconds, so that a slow machine finds the same.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
#: Libraries that take a tenth of a second or more to import.
HEAVY = {
    "dvc",
    "kedro",
    "lightning",
    "matplotlib",
    "mlflow",
    "numba",
    "numpy",
    "pandas",
    "pyarrow",
    "rankseg",
    "scipy",
    "segmentation_models_pytorch",
    "sklearn",
    "sqlalchemy",
    "torch",
    "zarr",
}
#: A command in a process of its own, which writes the names of the modules that it has imported.
CHILD = """
import atexit, json, pathlib, sys
file, program, *sys.argv[1:] = sys.argv[1:]
sys.argv[0] = program
atexit.register(lambda: pathlib.Path(file).write_text(json.dumps(sorted(sys.modules))))
if program == "python":
    exec(sys.argv[1])
    sys.exit()
elif program == "prn":
    from prn_pipeline.commands import prn as main
else:
    from kedro.framework.cli import main
main()
"""


def heavy_libraries(file: Path, *command: str, exit_code: int) -> set[str]:
    """The heavy libraries that a command imports, in the project's folder."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(file), *command], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == exit_code, done.stderr
    return {name.partition(".")[0] for name in json.loads(file.read_text())} & HEAVY


@pytest.mark.parametrize(
    ("command", "exit_code"),
    [
        ("prn --help", 0),
        ("prn --version", 0),
        ("prn plan --help", 0),
        ("prn curve --help", 0),
        ("prn init --help", 0),
        ("prn check --help", 0),
        ("prn plna", 2),
        ("prn benchmark --jbos 2", 2),
    ],
)
def test_help_and_mistyped_options_of_prn_import_nothing_heavy(command: str, exit_code: int, tmp_path: Path) -> None:
    assert not heavy_libraries(tmp_path / "modules.json", *command.split(), exit_code=exit_code)


def test_the_registered_models_are_listed_with_what_reads_the_configuration(tmp_path: Path) -> None:
    found = heavy_libraries(tmp_path / "modules.json", "prn", "models", exit_code=0)
    assert found == {"kedro"}


@pytest.mark.parametrize(
    ("command", "exit_code"),
    [
        ("kedro run --help", 0),
        ("kedro run --pramas dataset=synthetic_roads", 2),
        ("kedro run --pipelines evaluate", 1),
        ("kedro run --env locl", 1),
        ("kedro run --params dataset=synthetic_raods", 1),
        ("kedro run --params tiles.size=3", 1),
    ],
)
def test_mistyped_options_and_parameters_of_kedro_run_wait_for_kedro_alone(
    command: str, exit_code: int, tmp_path: Path
) -> None:
    assert heavy_libraries(tmp_path / "modules.json", *command.split(), exit_code=exit_code) == {"kedro"}


def test_settings_and_parameters_import_no_library_that_computes(tmp_path: Path) -> None:
    """Every process checks its parameters first: those of networks, too, need no network."""
    code = "import prn_pipeline.configuration.config_loader"
    assert heavy_libraries(tmp_path / "modules.json", "python", code, exit_code=0) == {"kedro"}


#: What computes with networks; everything else can be done without.
NETWORKS = {"lightning", "segmentation_models_pytorch", "torch"}


@pytest.mark.parametrize("stage", ["ingestion", "pseudo_labelling", "reporting"])
def test_stages_without_networks_and_every_entry_of_the_catalog_do_without_pytorch(stage: str, tmp_path: Path) -> None:
    """Kedro makes every entry of the catalog in every run, and DVC runs each stage in a process of its own."""
    rooms = (
        f"pipelines.{stage}",
        *(f"io.{room}" for room in ("array_store", "files", "modules", "predictor", "summary")),
    )
    code = ";".join(f"import prn_pipeline.{room}" for room in rooms)
    found = heavy_libraries(tmp_path / "modules.json", "python", code, exit_code=0)
    assert not found & {*NETWORKS, "mlflow"}


@pytest.mark.parametrize("stage", ["base_training", "logit_caching", "prn_training", "evaluation"])
def test_the_nodes_of_a_stage_import_nothing_that_trains(stage: str, tmp_path: Path) -> None:
    """Lightning and the encoders are imported by the training or the model that needs them, and MLflow by the hooks."""
    code = f"import prn_pipeline.pipelines.{stage}"
    found = heavy_libraries(tmp_path / "modules.json", "python", code, exit_code=0)
    assert not found & {"lightning", "segmentation_models_pytorch"}
