"""A stage of dvc.yaml depends on the code that its nodes reach: on all of it, by folder, and on nothing else."""

from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import grimp
import pytest
import yaml

from prn_pipeline.layout.scopes import SCOPE_OF
from prn_pipeline.pipeline_registry import Pipelines
from prn_pipeline.refinement.registry import REFINERS

PROJECT = Path(__file__).resolve().parents[2]
SOURCE = PROJECT / "src"
CATALOG = yaml.safe_load((PROJECT / "conf/base/catalog.yml").read_text())
STAGES = yaml.safe_load((PROJECT / "dvc.yaml").read_text())["stages"]

#: Reached by nodes, and not followed, because no change there changes a result.
NOT_FOLLOWED = {
    "prn_pipeline.errors": "the exception class",
    "prn_pipeline.layout": "names of folders, which the catalog and dvc.yaml repeat",
    "prn_pipeline.processes": "locks and signals",
    "prn_pipeline.tracking": "what MLflow records",
}
#: Followed, though no node reaches it: stage -> file -> why.
NOT_REACHED = {
    stage: {"src/prn_pipeline/configuration/resolved_run.py": "merges the blocks of parameters that the node is given"}
    for stage in ("base_training", "prn_training")
} | {"reporting": {"src/prn_pipeline/reporting/templates": "pages that `report.py` fills"}}
#: A folder is followed as a whole where this share of its files is reached.
MOST = 2 / 3


@cache
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("prn_pipeline", exclude_type_checking_imports=True, cache_dir=None)


def roots(stage: str) -> Iterator[str]:
    """Modules that a stage starts from: its nodes, and how the catalog stores and loads what they exchange."""
    pipeline = Pipelines()[stage]
    yield from (name for name in graph().modules if name.startswith(f"prn_pipeline.pipelines.{stage}"))
    for entry in (CATALOG[name] for name in pipeline.inputs() | pipeline.all_outputs() if name in CATALOG):
        yield entry["type"].rpartition(".")[0]
        if "rebuild" in entry:
            yield entry["rebuild"].partition(":")[0]
    if stage == "prn_training":  # which loads what fits a refiner by name
        yield from (kind.fitting.partition(":")[0] for kind in REFINERS.values())


@cache
def reached(stage: str) -> frozenset[str]:
    """Files that a stage imports, directly or not, relative to the project."""
    modules: set[str] = set()
    for root in roots(stage):
        modules |= {root} | graph().find_upstream_modules(root)
    followed = (
        module for module in modules if not any(f"{module}.".startswith(f"{skipped}.") for skipped in NOT_FOLLOWED)
    )
    return frozenset(file_of(module) for module in followed if not is_empty_package(module))


def file_of(module: str) -> str:
    path = SOURCE / module.replace(".", "/")
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return str(path.relative_to(PROJECT))


def is_empty_package(module: str) -> bool:
    """Whether a module is the `__init__` of a package that imports nothing when it is imported."""
    file = PROJECT / file_of(module)
    return file.name == "__init__.py" and not graph().find_modules_directly_imported_by(module)


def code(folder: Path) -> set[str]:
    """Files of code below a folder, without packages' `__init__` that import nothing."""
    files = {str(file.relative_to(PROJECT)) for file in folder.rglob("*.py")}
    return {file for file in files if not file.endswith("__init__.py")}


def is_mostly(folder: Path, wanted: set[str]) -> bool:
    """Whether most files of a folder, and of each folder below it, are wanted."""
    own = {str(file.relative_to(PROJECT)) for file in folder.glob("*.py") if file.name != "__init__.py"}
    below = [path for path in folder.iterdir() if path.is_dir() and code(path)]
    return len(own & wanted) >= MOST * len(own) and all(is_mostly(path, wanted) for path in below)


def by_folder(wanted: Iterable[str], folder: Path = SOURCE / "prn_pipeline") -> Iterator[str]:
    """Files, and in place of most files of a folder the folder: a list that is short enough to read."""
    wanted = set(wanted)
    for path in sorted(folder.iterdir()):
        name = str(path.relative_to(PROJECT))
        if path.is_dir() and code(path) & wanted:
            yield from [name] if is_mostly(path, wanted) else by_folder(wanted, path)
        elif name in wanted and not name.endswith("__init__.py"):
            yield name


def followed(stage: str) -> list[str]:
    """Code that the stage depends on in dvc.yaml."""
    return [dep for dep in STAGES[stage]["deps"] if dep.startswith("src/")]


@pytest.mark.parametrize("stage", SCOPE_OF)
def test_a_stage_depends_on_the_code_that_its_nodes_reach_and_on_no_more(stage: str) -> None:
    expected = sorted([*by_folder(reached(stage)), *NOT_REACHED.get(stage, {})])
    lines = "\n".join(f"      - {path}" for path in expected)
    assert sorted(followed(stage)) == expected, f"dvc.yaml: stage {stage} should depend on this code:\n{lines}"


def covering(stage: str, file: str) -> list[str]:
    return [dep for dep in followed(stage) if file == dep or file.startswith(f"{dep}/")]


def stale_after(file: str) -> set[str]:
    """Stages that depend on a file."""
    assert (PROJECT / file).is_file()
    return {stage for stage in SCOPE_OF if covering(stage, file)}


PACKAGE = "src/prn_pipeline"


@pytest.mark.parametrize(
    ("file", "stage", "expected"),
    [
        (f"{PACKAGE}/refinement/patch_refine_net/losses.py", "pseudo_labelling", False),
        (f"{PACKAGE}/refinement/patch_refine_net/losses.py", "prn_training", True),
        (f"{PACKAGE}/data/augmentation/transforms.py", "ingestion", False),
        (f"{PACKAGE}/data/augmentation/transforms.py", "base_training", True),
        (f"{PACKAGE}/segmentation/network_source.py", "reporting", False),
        (f"{PACKAGE}/segmentation/network_source.py", "logit_caching", True),
        (f"{PACKAGE}/reporting/theme.py", "evaluation", False),
        (f"{PACKAGE}/reporting/templates/report.css.j2", "reporting", True),
        (f"{PACKAGE}/refinement/pseudo_labels/histogram_kernel.py", "pseudo_labelling", True),
    ],
)
def test_an_edit_stales_what_it_can_change_and_nothing_else(file: str, stage: str, expected: bool) -> None:
    assert (stage in stale_after(file)) is expected


@pytest.mark.parametrize("stage", SCOPE_OF)
def test_packages_on_the_way_to_a_file_import_nothing(stage: str) -> None:
    """Or importing one file of a package would run others that its stage does not depend on."""
    folders = {parent for file in reached(stage) for parent in list(Path(file).parents)[:-2]}
    passed = [folder for folder in folders if str(folder / "__init__.py") not in reached(stage)]
    assert passed
    importing = {
        str(folder): imported
        for folder in passed
        if (imported := graph().find_modules_directly_imported_by(".".join(folder.relative_to("src").parts)))
        and "__getattr__" not in (PROJECT / folder / "__init__.py").read_text()
    }
    assert not importing


@pytest.mark.parametrize("stage", SCOPE_OF)
def test_every_file_that_is_reached_is_covered(stage: str, capsys: pytest.CaptureFixture[str]) -> None:
    files = reached(stage)
    covered = {file for dep in followed(stage) for file in ([dep] if dep.endswith(".py") else code(PROJECT / dep))}
    with capsys.disabled():
        print(f"\n  {stage}: {len(files)} files reached, {len(covered)} covered")
    assert files
    assert {file for file in files if not file.endswith("__init__.py")} <= covered
