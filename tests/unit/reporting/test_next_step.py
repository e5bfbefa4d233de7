"""The command that a run ends with exists, and takes the names of the run."""

import shlex

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
def test_other_findings_end_in_a_command_of_this_project(outcome: str) -> None:
    program, name, *arguments = shlex.split(next_step(RUN, outcome).command)  # type: ignore[arg-type]
    assert program == "prn"
    assert "roads" in arguments
    context = prn.commands[name].make_context(name, arguments, resilient_parsing=False)
    assert context.params["dataset"] == "roads"
    assert CliRunner().invoke(prn, [name, "--help"]).exit_code == 0
