"""The DAG speaks of the stages that there are; whether Airflow takes it, `make airflow-test` shows."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock

import pytest

from prn_pipeline.layout.scopes import SCOPE_OF
from prn_pipeline.sweep.lists import Lists, stage_addresses

PROJECT = Path(__file__).resolve().parents[2]
RUN = {"dataset": "synthetic_roads", "base_model": "unet_resnet18_small", "refiner": "prn", "seed": 0}


def plain(*_: Any, **__: Any) -> Callable[..., Any]:
    """A decorator that changes nothing."""
    return lambda function: function


@pytest.fixture
def dag(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The file of the DAG, whose tasks are the functions that give their commands; it is not put together."""
    sdk = MagicMock(dag=lambda **_: lambda _: lambda: None)
    sdk.task.side_effect = lambda function: function
    sdk.task.bash = plain
    monkeypatch.setitem(sys.modules, "airflow", MagicMock(sdk=sdk))
    monkeypatch.setitem(sys.modules, "airflow.sdk", sdk)
    monkeypatch.setitem(sys.modules, "airflow.sdk.exceptions", MagicMock())
    spec = importlib.util.spec_from_file_location("prn_retrain", PROJECT / "deploy/airflow/dags/prn_retrain.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_runs_the_stages_of_a_run_in_their_order_by_the_addresses_that_dvc_knows(dag: ModuleType) -> None:
    assert list(dag.STAGES) == list(SCOPE_OF)
    lists = Lists(**{f"{name}s": [value] for name, value in RUN.items()})
    for address, (name, _) in stage_addresses(lists).items():
        status, repro = dag.stage(name, RUN).split("; ")
        assert status == f"dvc --wait-for-lock status --quiet {address} && exit {dag.SKIPPED}"
        assert repro == f"dvc --wait-for-lock repro --single-item {address}"


def test_every_combination_of_the_parameters_is_a_run(dag: ModuleType) -> None:
    params = {"datasets": ["a", "b"], "base_models": ["unet"], "refiners": ["prn"], "seeds": [0, 1]}
    assert dag.runs({**params, "more": []}) == list(Lists(**params).runs())  # type: ignore[arg-type]


def test_promotion_is_told_the_run_and_skipped_where_its_judgement_is_newer_than_its_scores(dag: ModuleType) -> None:
    assert dag.promotion(RUN) == (
        "test data/08_reporting/synthetic_roads/unet_resnet18_small/prn/seed-0/promotion.json"
        " -nt metrics/synthetic_roads/unet_resnet18_small/prn/seed-0.json && exit 99;"
        " DVC_STAGE=promotion kedro run --pipelines promotion"
        " --params dataset=synthetic_roads,base_model=unet_resnet18_small,refiner=prn,seed=0"
    )
