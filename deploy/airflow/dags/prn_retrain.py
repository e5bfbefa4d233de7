"""Retraining every night: the stages of each run in the order of dvc.yaml, then its promotion.

Stages that are up to date are skipped. Airflow has an environment of its own; its tasks call the commands of the
project's `.venv`.
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
#: Stage -> names that identify it. DVC joins them to the address of the stage: evaluation@drive-unet_resnet18-prn-0.
STAGES = {
    name: list(stage["matrix"]) for name, stage in yaml.safe_load((PROJECT / "dvc.yaml").read_text())["stages"].items()
}
#: Exit code of a command that has nothing to do.
SKIPPED = 99
#: Stages at a time.
JOBS = int(os.environ.get("PRN_JOBS", "1"))

#: Arguments of every task that runs a command of the project.
COMMAND = {
    "cwd": str(PROJECT),
    "env": {
        "PATH": f"{PROJECT / '.venv/bin'}:{os.environ['PATH']}",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "1",
        # stages that run at the same time share the cores
        **({"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // JOBS))} if JOBS > 1 else {}),
    },
    "append_env": True,
    "skip_on_exit_code": SKIPPED,
    "trigger_rule": "none_failed",  # also after stages that were skipped
    "max_active_tis_per_dag": 1,  # of two runs that share a stage, one runs it and the other finds it done
}


@task
def runs(params: dict) -> list[dict]:
    """Names of every run: all combinations of the DAG's parameters."""
    names = [name.removesuffix("s") for name in LISTS]
    return [dict(zip(names, run, strict=True)) for run in product(*(params[name] for name in LISTS))]


@task.bash(**COMMAND)
def stage(name: str, names: dict) -> str:
    """Run one stage through DVC, unless it is up to date."""
    address = quote(f"{name}@{'-'.join(str(names[key]) for key in STAGES[name])}")
    dvc = "dvc --wait-for-lock"
    return f"{dvc} status --quiet {address} && exit {SKIPPED}; {dvc} repro --single-item {address}"


@task.bash(**COMMAND)
def promotion(names: dict) -> str:
    """Run the promotion pipeline of a run, unless its scores are not newer than its last promotion decision."""
    path = "{dataset}/{base_model}/{refiner}/seed-{seed}".format(**names)
    decision, scores = quote(f"data/08_reporting/{path}/promotion.json"), quote(f"metrics/{path}.json")
    command = "DVC_STAGE=promotion kedro run --pipelines promotion"  # reads the same raw data as the stages of DVC
    params = quote(",".join(f"{name}={value}" for name, value in names.items()))
    return f"test -f {decision} && ! test {scores} -nt {decision} && exit {SKIPPED}; {command} --params {params}"


@dag(
    schedule="0 2 * * *",
    catchup=False,
    max_active_runs=1,
    max_active_tasks=JOBS,
    default_args={"retries": 1},
    params={name: Param(items, type="array", minItems=1, items={"enum": items}) for name, items in LISTS.items()},
)
def prn_retrain() -> None:
    """Pull, make every run, push."""

    @task_group(group_id="run")
    def make_run(names: dict) -> None:
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

    made, pushed = make_run.expand(names=runs()), push()
    pull() >> made >> pushed
    [made, pushed] >> failed()  # the last tasks alone decide whether Airflow marks the DAG run as failed


prn_retrain()
