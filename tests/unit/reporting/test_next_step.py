"""The command that a run ends with exists, and takes the names of the run."""

import shlex
from typing import Any

import pytest
from click.testing import CliRunner

from prn_pipeline.commands import prn
from prn_pipeline.reporting.next_step import next_step

RUN = {"dataset": "roads", "base_model": "unet", "refiner": "prn", "seed": 3, "n_test": 48}


def test_a_better_refiner_is_packaged() -> None:
    assert next_step(RUN, "better").command == (
        "kedro run --pipelines promotion --params dataset=roads,base_model=unet,refiner=prn,seed=3"
    )


@pytest.mark.parametrize("outcome", ["same", "mixed", "worse", "unknown", "warning"])
def test_other_findings_end_in_a_command_of_this_project(outcome: Any) -> None:
    program, name, *arguments = shlex.split(next_step(RUN, outcome).command)
    assert program == "prn"
    assert "roads" in arguments
    context = prn.commands[name].make_context(name, arguments, resilient_parsing=False)
    assert context.params["dataset"] == "roads"
    assert CliRunner().invoke(prn, [name, "--help"]).exit_code == 0


@pytest.mark.parametrize("outcome", ["better", "same", "worse"])
def test_a_base_model_that_was_still_improving_is_trained_longer_first(outcome: Any) -> None:
    ending = {"epochs": 2, "late_gain": 0.294, "late_epochs": 1, "ended_by": "epochs", "converged": False}
    assert next_step({**RUN, "base_training": ending}, outcome).command == (
        "kedro run --params dataset=roads,base_model=unet,refiner=prn,seed=3,base_models.unet.training.epochs=8"
    )
    ended = ending | {"late_gain": 0.0, "ended_by": "patience", "converged": True}
    assert next_step({**RUN, "base_training": ended}, outcome) == next_step(RUN, outcome)
