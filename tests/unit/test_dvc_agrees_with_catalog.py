"""dvc.yaml and the catalog speak of the same files."""

from pathlib import Path
from typing import Any

import pytest
from dvc.repo import Repo
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from kedro.pipeline import Pipeline

from prn_pipeline.layout.origins import rerun
from prn_pipeline.layout.scopes import SCOPE_OF, SCOPES
from prn_pipeline.pipeline_registry import register_pipelines

PROJECT = Path(__file__).resolve().parents[2]

#: Kept by a hook, about this machine only; or made by a command of its own.
NOT_VERSIONED = {"dataset_costs", "base_costs", "run_costs", "label_curve"}


@pytest.fixture(scope="module")
def stages() -> dict[str, Any]:
    with Repo(str(PROJECT), uninitialized=True) as repo:
        return {stage.addressing.partition("@")[0]: stage for stage in repo.index.stages}  # one run is listed


@pytest.fixture(scope="module")
def paths() -> dict[str, set[str]]:
    """Files of each catalog entry, below the project."""
    bootstrap_project(PROJECT)
    with KedroSession.create(PROJECT, env="base") as session:
        catalog = session.load_context().catalog
        found = {}
        for name in catalog.keys():  # noqa: SIM118
            file = getattr(catalog.get(name), "_filepath", None)
            if file is not None:
                found[name] = {str(Path(file).relative_to(PROJECT))}
                if Path(file).suffix == ".safetensors":
                    found[name].add(str(Path(file).relative_to(PROJECT).with_suffix(".json")))
        return found


@pytest.fixture(scope="module")
def pipelines() -> dict[str, Pipeline]:
    from prn_pipeline.pipeline_registry import PROMOTION, register_pipelines

    return {name: made for name, made in register_pipelines().items() if name not in ("__default__", PROMOTION)}


def files(names: set[str], paths: dict[str, set[str]]) -> set[str]:
    return set().union(*(paths[name] for name in names if name in paths and name not in NOT_VERSIONED))


def test_stages_have_the_names_of_pipelines(stages: dict[str, Any], pipelines: dict[str, Pipeline]) -> None:
    assert set(stages) == set(pipelines)
    for name, stage in stages.items():
        assert f"--pipelines {name} " in stage.cmd


def test_a_stage_is_told_the_names_of_its_scope_and_no_others(stages: dict[str, Any]) -> None:
    """So that it is one stage for all runs that share it, and none when another list grows."""
    assert list(stages) == list(SCOPE_OF)
    for name, stage in stages.items():
        told = dict(part.split("=") for part in stage.cmd.split("--params ")[1].split(","))
        assert tuple(told) == SCOPES[SCOPE_OF[name]], name


@pytest.mark.parametrize("name", SCOPE_OF)
def test_a_stage_tracks_every_output_of_its_pipeline_and_nothing_else(
    name: str, stages: dict[str, Any], pipelines: dict[str, Pipeline], paths: dict[str, set[str]]
) -> None:
    tracked = {out.def_path for out in stages[name].outs}
    assert tracked == files(pipelines[name].all_outputs(), paths)


def test_a_damaged_artefact_names_the_stage_that_writes_it(
    pipelines: dict[str, Pipeline], paths: dict[str, set[str]]
) -> None:
    named = {
        file: (stage, rerun(Path("/project") / file))
        for stage, pipeline in {**pipelines, "promotion": register_pipelines()["promotion"]}.items()
        for name in pipeline.all_outputs() & paths.keys()
        for file in paths[name]
    }
    assert len(named) >= 20
    names = {"dataset": "synthetic_roads", "base_model": "unet_resnet18_small", "refiner": "prn", "seed": 0}
    for stage, remedy in named.values():
        of_scope = ",".join(f"{name}={names[name]}" for name in SCOPES[SCOPE_OF.get(stage, "run")])
        assert remedy == f"run the pipeline {stage} again: kedro run --pipelines {stage} --params {of_scope}"


@pytest.mark.parametrize("name", SCOPE_OF)
def test_a_stage_depends_on_every_input_of_its_pipeline(
    name: str, stages: dict[str, Any], pipelines: dict[str, Pipeline], paths: dict[str, set[str]]
) -> None:
    depended = {dep.def_path for dep in stages[name].deps}
    data = {path for path in depended if path.startswith(("data/", "metrics/")) and not path.startswith("data/01_raw")}
    assert data == files(pipelines[name].inputs(), paths)


@pytest.mark.parametrize("name", SCOPE_OF)
def test_code_that_a_stage_depends_on_exists(name: str, stages: dict[str, Any]) -> None:
    code = [dep.def_path for dep in stages[name].deps if dep.def_path.startswith("src/")]
    assert code
    assert [path for path in code if not (PROJECT / path).exists()] == []


def test_nothing_is_versioned_by_kedro(paths: dict[str, set[str]]) -> None:
    bootstrap_project(PROJECT)
    with KedroSession.create(PROJECT, env="base") as session:
        catalog = session.load_context().catalog
        versioned = [name for name in paths if getattr(catalog.get(name), "_version", None) is not None]
    assert not versioned, "`versioned: true` fights DVC"
