"""MLflow runs that killed processes of this machine have left RUNNING are closed as KILLED."""

from __future__ import annotations

import logging

from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from prn_pipeline.processes.owners import has_ended, this_process
from prn_pipeline.processes.secrets import redact

logger = logging.getLogger(__name__)

#: Runs that are closed at a time; further ones the next time.
MAX_RUNS = 1000


def close_runs_of_dead_processes(uri: str, experiment: str) -> None:
    """End the runs of an experiment whose process has ended without ending them, as one does that is killed.

    Only those that `processes.owners.this_process` has tagged on this machine: a process elsewhere may be alive.
    An error of the server is warned of, because the run that is about to start does not depend on it.

    Args:
        uri: of the tracking store.
        experiment: name of the experiment, which may not exist.
    """
    client = MlflowClient(uri)
    machine = this_process()["process.machine"]
    try:
        found = client.get_experiment_by_name(experiment)
        if found is None:
            return
        running = client.search_runs(
            [found.experiment_id],
            f"attributes.status = 'RUNNING' and tags.`process.machine` = '{machine}'",
            ViewType.ACTIVE_ONLY,
            MAX_RUNS,
        )
        left = [run for run in running if has_ended(run.data.tags)]
        for run in left:
            client.set_terminated(run.info.run_id, "KILLED")
    except MlflowException as error:
        logger.warning("MLflow runs of killed processes stay open: %s", redact(str(error)))
        return
    if left:
        names = ", ".join(dict.fromkeys(run.info.run_name or run.info.run_id for run in left))
        logger.warning("%d MLflow runs of killed processes are closed as KILLED: %s", len(left), names)
