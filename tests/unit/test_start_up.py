"""A command imports the libraries that it works with, and no others: a mistyped option does not wait for PyTorch.

Modules are counted, not seconds, so that a slow machine finds the same.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

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
#: Commands in forks of a process that has imported some modules; each writes the names of all that it has imported.
FORKS = """
import importlib, json, os, pathlib, sys
folder, imported, commands = pathlib.Path(sys.argv[1]), *map(json.loads, sys.argv[2:])
for name in imported:
    importlib.import_module(name)
for number, command in enumerate(commands):
    if os.fork() == 0:
        def end():
            (folder / f"{number}.json").write_text(json.dumps(sorted(sys.modules)))
            os._exit(code[0] if code else 0)  # at once: to take down what was imported takes seconds

        code = []
        sys.argv[:] = command
        if command[0] == "python":
            exec(command[1])
            end()
        elif command[0] == "prn":
            from prn_pipeline.commands import prn as main
        else:
            from kedro.framework.cli import main
        try:
            main()
        except SystemExit as ended:
            code.append(ended.code or 0)
        end()
    code = os.waitstatus_to_exitcode(os.wait()[1])
    (folder / f"{number}.code").write_text(str(code))
"""


def heavy_libraries(commands: Sequence[Sequence[str]], imported: Sequence[str] = ()) -> list[tuple[int, set[str]]]:
    """Exit code of each command, run in the project's folder, and the heavy libraries that it imports.

    Args:
        commands: words of each; "python" is followed by code.
        imported: modules that all of them may import, which they find imported: that saves time.
    """
    with TemporaryDirectory() as place:
        arguments = [place, json.dumps(imported), json.dumps(commands)]
        done = subprocess.run(
            [sys.executable, "-c", FORKS, *arguments], cwd=PROJECT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert len(list(Path(place).glob("*.json"))) == len(commands), done.stderr
        files = [Path(place) / str(number) for number in range(len(commands))]
        modules = [json.loads(file.with_suffix(".json").read_text()) for file in files]
        codes = [int(file.with_suffix(".code").read_text()) for file in files]
    return [
        (code, {name.partition(".")[0] for name in names} & HEAVY) for code, names in zip(codes, modules, strict=True)
    ]


def test_help_and_mistyped_options_of_prn_import_nothing_heavy() -> None:
    commands = {
        "prn --help": 0,
        "prn --version": 0,
        "prn plan --help": 0,
        "prn curve --help": 0,
        "prn init --help": 0,
        "prn check --help": 0,
        "prn plna": 2,
        "prn benchmark --jbos 2": 2,
    }
    found = heavy_libraries([command.split() for command in commands])
    assert dict(zip(commands, found, strict=True)) == {command: (code, set()) for command, code in commands.items()}


def test_the_registered_models_are_listed_with_what_reads_the_configuration() -> None:
    assert heavy_libraries([["prn", "models"]]) == [(0, {"kedro"})]


def test_mistyped_options_and_parameters_of_kedro_run_wait_for_kedro_alone() -> None:
    commands = {
        "kedro run --help": 0,
        "kedro run --pramas dataset=synthetic_roads": 2,
        "kedro run --pipelines evaluate": 1,
        "kedro run --env locl": 1,
        "kedro run --params dataset=synthetic_raods": 1,
        "kedro run --params tiles.size=3": 1,
    }
    found = heavy_libraries([command.split() for command in commands], ["kedro.framework.cli"])
    expected = {command: (code, {"kedro"}) for command, code in commands.items()}
    assert dict(zip(commands, found, strict=True)) == expected


def test_settings_and_parameters_import_no_library_that_computes() -> None:
    """Every process checks its parameters first: those of networks, too, need no network."""
    assert heavy_libraries([["python", "import prn_pipeline.configuration.config_loader"]]) == [(0, {"kedro"})]


#: What computes with networks; everything else can be done without.
NETWORKS = {"lightning", "segmentation_models_pytorch", "torch"}


def test_stages_without_networks_and_every_entry_of_the_catalog_do_without_pytorch() -> None:
    """Kedro makes every entry of the catalog in every run, and DVC runs each stage in a process of its own."""
    entries = [f"import prn_pipeline.io.{room}" for room in ("array_store", "files", "modules", "predictor", "summary")]
    commands = [
        ["python", ";".join([f"import prn_pipeline.pipelines.{stage}", *entries])]
        for stage in ("ingestion", "pseudo_labelling", "reporting")
    ]
    found = heavy_libraries(commands, ["kedro.io", "kedro.pipeline", "pandas", "zarr"])
    assert [(code, libraries & {*NETWORKS, "mlflow"}) for code, libraries in found] == [(0, set())] * len(commands)
    assert all("zarr" in libraries for _, libraries in found)


def test_the_nodes_of_a_stage_import_nothing_that_trains() -> None:
    """Lightning and the encoders are imported by the training or the model that needs them, and MLflow by the hooks."""
    stages = ("base_training", "logit_caching", "prn_training", "evaluation")
    commands = [["python", f"import prn_pipeline.pipelines.{stage}"] for stage in stages]
    found = heavy_libraries(commands, ["kedro.pipeline", "numba", "pandas", "pydantic", "rankseg", "torch", "zarr"])
    assert [(code, libraries & {"lightning", "segmentation_models_pytorch"}) for code, libraries in found] == [
        (0, set())
    ] * len(stages)
