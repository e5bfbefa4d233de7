"""The rooms of the house: who may import whom."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "prn_pipeline"

#: From the top floor down. A room may import rooms below it, and those named beside it as known to it.
FLOORS = ["serving", "stages", "reporting", "training", "refinement", "segmentation", "metrics", "data"]
#: Rooms on neighbouring floors that know nothing of each other.
STRANGERS = {
    ("refinement", "segmentation"),
    ("metrics", "data"),
    ("refinement", "metrics"),
    ("segmentation", "metrics"),
}
#: Known to every room.
EVERYWHERE = {"errors", "scopes"}
ORCHESTRATION = {"kedro", "kedro_mlflow", "mlflow", "dvc"}
LIBRARY = [path for room in FLOORS for path in (SOURCE / room).rglob("*.py")] + [
    SOURCE / "parameters.py",
    SOURCE / "cell_checks.py",
    SOURCE / "errors.py",
    SOURCE / "scopes.py",
]


def imported(path: Path) -> set[str]:
    """Absolute names of everything a file imports, also inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            names |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


#: A predictor is found in MLflow's registry by its address there.
KNOWS_MLFLOW = SOURCE / "serving" / "places.py"


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: str(path.relative_to(SOURCE)))
def test_the_library_knows_nothing_of_kedro_mlflow_and_dvc(path: Path) -> None:
    allowed = {"mlflow"} if path == KNOWS_MLFLOW else set()
    assert not {name.split(".")[0] for name in imported(path)} & ORCHESTRATION - allowed


@pytest.mark.parametrize("room", FLOORS)
def test_a_room_imports_only_rooms_below_it(room: str) -> None:
    below = FLOORS[FLOORS.index(room) + 1 :]
    for path in (SOURCE / room).rglob("*.py"):
        for name in imported(path):
            parts = name.split(".")
            if parts[0] != "prn_pipeline" or len(parts) == 1:
                continue
            target = parts[1]
            assert target in {room, *EVERYWHERE, *below}, (
                f"{path.relative_to(SOURCE)} imports {name}, which is not below it"
            )
            assert (room, target) not in STRANGERS, f"{path.relative_to(SOURCE)} imports {name}, a stranger"


def test_the_rules_see_the_whole_library() -> None:
    assert all(len(list((SOURCE / room).rglob("*.py"))) > 1 for room in FLOORS)
    above = {path.name for path in SOURCE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert above == {*FLOORS, "io", "pipelines", "benchmark", "commands", "promotion", "retraining"}
