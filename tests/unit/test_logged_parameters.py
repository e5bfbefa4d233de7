"""Parameters of a node reach the MLflow run together, each once."""

from typing import Any

import mlflow
import pytest
from kedro.io import DataCatalog
from kedro.pipeline import node
from mlflow.tracking._tracking_service.client import TrackingServiceClient
from mlflow.utils.validation import MAX_PARAM_VAL_LENGTH

from prn_pipeline.tracking.parameters import ParameterBatchHook

NODE = node(lambda: 0, None, "out", name="node")


@pytest.fixture
def hook(tracking_store: str) -> ParameterBatchHook:
    mlflow.set_tracking_uri(tracking_store)
    mlflow.set_experiment("parameters")
    mlflow.disable_system_metrics_logging()
    made = ParameterBatchHook()
    made.flatten = True
    made.long_params_strategy = "truncate"
    return made


def run_nodes(hook: ParameterBatchHook, *inputs: dict[str, Any]) -> dict[str, str]:
    with mlflow.start_run() as run:
        for one in inputs:
            hook.before_node_run(NODE, DataCatalog(), one, False)
    found: dict[str, str] = mlflow.get_run(run.info.run_id).data.params
    return found


def test_blocks_are_flattened_and_other_inputs_are_not_parameters(hook: ParameterBatchHook) -> None:
    inputs = {"params:prn_training": {"epochs": 3, "augmentation": {"flips": True}}, "manifest": {"rows": 7}}
    assert run_nodes(hook, inputs) == {"prn_training.epochs": "3", "prn_training.augmentation.flips": "True"}


def test_more_parameters_than_a_request_takes_are_all_logged(hook: ParameterBatchHook) -> None:
    many = {f"setting_{number}": str(number) for number in range(250)}
    assert run_nodes(hook, {"params:many": many}) == {f"many.{name}": value for name, value in many.items()}


def test_what_a_run_has_is_not_sent_again_and_the_next_run_gets_it(
    hook: ParameterBatchHook, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[int] = []
    log_batch = TrackingServiceClient.log_batch

    def counted(self: TrackingServiceClient, run_id: str, metrics: Any, params: Any, *others: Any, **named: Any) -> Any:
        sent.append(len(params))
        return log_batch(self, run_id, metrics, params, *others, **named)

    monkeypatch.setattr(TrackingServiceClient, "log_batch", counted)
    inputs = {"params:seed": 3, "params:run": {"dataset": "roads"}}
    both = {"seed": "3", "run.dataset": "roads"}
    assert run_nodes(hook, inputs, inputs, inputs | {"params:other": 1}) == both | {"other": "1"}
    assert sent == [2, 1]
    assert run_nodes(hook, inputs) == both


def test_a_value_that_is_too_long_is_truncated_as_the_configuration_says(hook: ParameterBatchHook) -> None:
    assert run_nodes(hook, {"params:long": "x" * 9000, "params:short": 1}) == {
        "long": "x" * MAX_PARAM_VAL_LENGTH,
        "short": "1",
    }


def test_nothing_is_logged_without_a_run(hook: ParameterBatchHook) -> None:
    hook.before_node_run(NODE, DataCatalog(), {"params:seed": 3}, False)
    assert mlflow.search_runs(search_all_experiments=True).empty
