"""Retraining every night: what is stale of each run, stage by stage as dvc.yaml has them, then its promotion.

What is up to date shows as skipped. Airflow's environment is its own; tasks call the commands of the project's `.venv`.
"""

import os
from itertools import product
from pathlib import Path
from shlex import quote

import yaml
from airflow.sdk import Param, chain, dag, task, task_group
from airflow.sdk.exceptions import AirflowFailException

PROJECT = Path(__file__).resolve().parents[3]
LISTS = yaml.safe_load((PROJECT / "conf/base/benchmark.yml").read_text())
#: Stage -> names that tell one from another, as DVC joins them: evaluation@drive-unet_resnet18-prn-0.
STAGES = {
    name: list(stage["matrix"]) for name, stage in yaml.safe_load((PROJECT / "dvc.yaml").read_text())["stages"].items()
}
#: Exit code of a command that finds nothing to do.
SKIPPED = 99
#: Stages at a time.
JOBS = int(os.environ.get("PRN_JOBS", "1"))

#: How a command of the project is run.
COMMAND = {
    "cwd": str(PROJECT),
    "env": {
        "PATH": f"{PROJECT / '.venv/bin'}:{os.environ['PATH']}",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "1",
        # several that each use all of the cores wait for one another
        **({"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // JOBS))} if JOBS > 1 else {}),
    },
    "append_env": True,
    "skip_on_exit_code": SKIPPED,
    "trigger_rule": "none_failed",  # after stages that were skipped too
    "max_active_tis_per_dag": 1,  # runs that share a stage: one runs it, then the other finds it done
}


@task
def runs(params: dict) -> list[dict]:
    """Every combination of the run's parameters."""
    names = [name.removesuffix("s") for name in LISTS]
    return [dict(zip(names, run, strict=True)) for run in product(*(params[name] for name in LISTS))]


@task.bash(**COMMAND)
def stage(name: str, run: dict) -> str:
    """Run one stage of DVC, where it is stale."""
    address = quote(f"{name}@{'-'.join(str(run[key]) for key in STAGES[name])}")
    dvc = "dvc --wait-for-lock"
    return f"{dvc} status --quiet {address} && exit {SKIPPED}; {dvc} repro --single-item {address}"


@task.bash(**COMMAND)
def promotion(run: dict) -> str:
    """Let the run's predictor become champion if it is better, where its scores are newer than their judgement."""
    path = "{dataset}/{base_model}/{refiner}/seed-{seed}".format(**run)
    judgement, scores = quote(f"data/08_reporting/{path}/promotion.json"), quote(f"metrics/{path}.json")
    command = (
        "DVC_STAGE=promotion kedro run --pipelines promotion"  # which reads the raw data that its stages have read
    )
    names = quote(",".join(f"{name}={value}" for name, value in run.items()))
    return f"test {judgement} -nt {scores} && exit {SKIPPED}; {command} --params {names}"


@dag(
    schedule="0 2 * * *",
    catchup=False,
    max_active_runs=1,
    max_active_tasks=JOBS,
    default_args={"retries": 1},
    params={name: Param(items, type="array", minItems=1, items={"enum": items}) for name, items in LISTS.items()},
)
def prn_retrain() -> None:
    """Pull, runs, push."""

    @task_group
    def one_run(names: dict) -> None:
        chain(*(stage.override(task_id=name)(name, names) for name in STAGES), promotion(names))

    @task.bash(**COMMAND)
    def pull() -> str:
        return "prn pull"

    @task.bash(**COMMAND | {"trigger_rule": "all_done"})
    def push() -> str:
        return "prn push"

    @task(trigger_rule="one_failed", retries=0)
    def failed() -> None:
        raise AirflowFailException("a task has failed; the other runs are done and pushed")

    every_run, pushed = one_run.expand(names=runs()), push()
    pull() >> every_run >> pushed
    [every_run, pushed] >> failed()  # Airflow asks a run's last tasks alone how it ended


prn_retrain()
