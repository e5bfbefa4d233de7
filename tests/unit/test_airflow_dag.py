"""The DAG has the project's stages and addresses; `make airflow-test` runs it in Airflow."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock

import pytest

from prn_pipeline.layout.places import METRICS, PROMOTION, REPORTS
from prn_pipeline.layout.scopes import SCOPE_OF, scope_path, stage_address
from prn_pipeline.sweep.lists import Lists

PROJECT = Path(__file__).resolve().parents[2]
NAMES = {"dataset": "synthetic_roads", "base_model": "unet_resnet18_small", "refiner": "prn", "seed": 0}


def plain(*_: Any, **__: Any) -> Callable[..., Any]:
    """A decorator that changes nothing."""
    return lambda function: function


@pytest.fixture
def dag(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module of the DAG without Airflow: its tasks are plain functions that return commands."""
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


def test_the_dag_and_the_project_agree_on_stages_their_order_and_their_addresses(dag: ModuleType) -> None:
    assert list(dag.STAGES) == list(SCOPE_OF)
    for name in SCOPE_OF:
        address = stage_address(name, NAMES)
        status, repro = dag.stage(name, NAMES).split("; ")
        assert status == f"dvc --wait-for-lock status --quiet {address} && exit {dag.SKIPPED}"
        assert repro == f"dvc --wait-for-lock repro --single-item {address}"


def test_all_combinations_of_the_dags_parameters_are_runs(dag: ModuleType) -> None:
    params = {"datasets": ["a", "b"], "base_models": ["unet"], "refiners": ["prn"], "seeds": [0, 1]}
    assert dag.runs({**params, "more": []}) == list(Lists(**params).runs())  # type: ignore[arg-type]


def test_promotion_is_skipped_unless_scores_are_newer_than_the_last_decision(dag: ModuleType) -> None:
    path = scope_path("run", NAMES)
    decision, scores = REPORTS / path / PROMOTION, METRICS / f"{path}.json"
    assert dag.promotion(NAMES) == (
        f"test -f {decision} && ! test {scores} -nt {decision} && exit 99;"
        " DVC_STAGE=promotion kedro run --pipelines promotion"
        " --params dataset=synthetic_roads,base_model=unet_resnet18_small,refiner=prn,seed=0"
    )
