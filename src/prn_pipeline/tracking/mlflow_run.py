"""MLflow's view of a run: one run, found again by every stage of it, with a child run a training.

Stages that runs share, in processes of their own, have runs of their own: one a data set, one a base model.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import signal
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import kedro_mlflow
import mlflow
import pandas as pd
import yaml

from prn_pipeline.data.store.sample_store import IDENTITY
from prn_pipeline.layout.scopes import SCOPES, scope_path
from prn_pipeline.tracking.provenance import git_commit

#: Seconds between two system metrics: a training of a minute should show a curve.
SAMPLING_SECONDS = 5

for _chatty in (mlflow, kedro_mlflow):  # importing them sets INFO, which tells of every monitor and resolver
    logging.getLogger(_chatty.__name__).setLevel(logging.WARNING)


logger = logging.getLogger(__name__)


class MlflowRun:
    """The MLflow run of one run, or of what runs share.

    Stages may run in processes of their own (DVC). They share a run when names, git commit and parameters are the same.

    Args:
        parameters: validated, with `run`.
        project: root of the repository.
        scope: of `scopes.SCOPES`: "run", or what the stages of this process are shared by.
    """

    def __init__(self, parameters: dict[str, Any], project: Path, scope: str = "run") -> None:
        self._project = project
        self._scope = scope
        names = {name: parameters["run"]["names"][name] for name in SCOPES[scope]}
        self.name = scope_path(scope, names)
        self._names = names
        libraries = ("datasets", "base_models", "refiners")  # `run` has what was chosen from them
        used = {name: value for name, value in parameters.items() if name not in libraries}
        settings = json.dumps(used, sort_keys=True)
        self._key = {
            "role": scope,
            scope: self.name,
            "git_commit": git_commit(project),
            "parameters_sha256": hashlib.sha256(settings.encode()).hexdigest(),
        }
        self._tags = {**self._key, **{name: str(value) for name, value in names.items()}}
        self._child: str | None = None
        mlflow.enable_system_metrics_logging()
        mlflow.set_system_metrics_sampling_interval(SAMPLING_SECONDS)

    def find(self, experiment: str) -> str | None:
        """Id of the newest run of the same at this commit with these parameters, if there is one."""
        query = " and ".join(f"tags.`{key}` = '{value}'" for key, value in self._key.items())
        runs = mlflow.search_runs(
            experiment_names=[experiment], filter_string=query, max_results=1, output_format="list"
        )
        return runs[0].info.run_id if runs else None

    def describe(self) -> None:
        """Tag the active run with what it is."""
        if mlflow.active_run() is not None:
            mlflow.set_tags(self._tags)

    def start_child(self, name: str) -> None:
        """A nested run for one training, with the run's tags."""
        if mlflow.active_run() is not None:
            self._child = mlflow.start_run(
                run_name=name, nested=True, tags={**self._tags, "role": "training", "stage": name}
            ).info.run_id

    def end_child(self, status: str) -> None:
        """Close the nested run."""
        active = mlflow.active_run()
        if active is not None and active.info.run_id == self._child:
            mlflow.end_run(status)
        self._child = None

    def log_result(self, dataset: str, data: Any) -> None:
        """Log a saved artefact that a reader of the run wants to see: identity, scores, report, figures."""
        if mlflow.active_run() is None:
            return
        if dataset == "manifest":
            self._log_data(data)
        elif dataset == "scores":
            mlflow.log_metrics(flat_metrics(data))
            mlflow.log_dict(data, "scores.json")
        elif dataset == "promotion":
            mlflow.log_metrics({f"promotion.{name}": value for name, value in flat_metrics(data).items()})
            mlflow.log_dict(data, "promotion.json")
        elif dataset == "report":
            mlflow.log_text(data, "report.html")
        elif dataset == "figures":
            for name, picture in data.items():
                _log_bytes(picture, f"figures/{name}.png")

    def _log_data(self, manifest: pd.DataFrame) -> None:
        splits = {split: int(count) for split, count in manifest["split"].value_counts().items()}
        mlflow.set_tag("data_identity", manifest.attrs[IDENTITY])
        mlflow.log_dict({"identity": manifest.attrs[IDENTITY], "samples": splits}, "data.json")

    def log_lock(self, running: Collection[str]) -> None:
        """Tag the run with the hashes that DVC has on record, and keep the lock itself.

        Args:
            running: stages of this process: what DVC knows of them is of their last run.
        """
        lock = self._project / "dvc.lock"
        if mlflow.active_run() is None or not lock.is_file():
            return
        try:
            stages = (yaml.safe_load(lock.read_text()) or {}).get("stages", {})
        except (yaml.YAMLError, AttributeError, TypeError):  # another stage of DVC is writing it just now
            logger.info("dvc.lock cannot be read at the moment: this run gets no hashes")
            return
        mlflow.log_artifact(str(lock))
        mlflow.set_tags(
            {
                f"dvc.{stage.partition('@')[0]}.{Path(out['path']).name}": out.get("md5", "")
                for stage, recorded in stages.items()
                if stage.partition("@")[0] not in running
                for out in (recorded or {}).get("outs", [])
                if self._is_below(out["path"])
            }
        )

    def _is_below(self, path: str) -> bool:
        """Whether an artefact is of this run's scope, or of one that it builds on."""
        above = [scope_path(scope, self._names) for scope in list(SCOPES)[: list(SCOPES).index(self._scope) + 1]]
        places = (str(Path(path).parent), str(Path(path).with_suffix("")))  # scores are named after their run
        return any(place.endswith(f"/{one}") for place in places for one in above)


@contextmanager
def closing_runs() -> Iterator[None]:
    """Close what is open as KILLED where the process is told to end: Kedro's hooks hear of errors alone.

    Whoever tells it twice is not heard meanwhile, or a run that was left open would be closed as finished.
    """
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            while mlflow.active_run() is not None:
                mlflow.end_run("KILLED")
        except Exception as error:  # whatever a server that is away raises: the exit code tells what matters
            logger.warning("MLflow could not be told that its runs have ended: %s", error)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        raise


#: What a metric's name may not hold.
NO_NAME = re.compile(r"[^\w.\- :/]")


def flat_metrics(scores: dict[str, Any], prefix: str = "") -> dict[str, float]:
    """Numbers of the scores JSON by dotted name, lists by position: `gain.vs_base.ci95.0`; matrices are left out.

    What MLflow allows in no name, as names of classes may have it, becomes an underscore.
    """
    flat: dict[str, float] = {}
    for key, value in scores.items():
        name = prefix + NO_NAME.sub("_", str(key))
        if isinstance(value, dict):
            flat |= flat_metrics(value, f"{name}.")
        elif isinstance(value, list):
            numbers = [(position, item) for position, item in enumerate(value) if isinstance(item, int | float)]
            flat |= {f"{name}.{position}": float(item) for position, item in numbers}
        elif isinstance(value, int | float) and key != "seed":
            flat[name] = float(value)
    return flat


def _log_bytes(content: bytes, path: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / Path(path).name
        file.write_bytes(content)
        mlflow.log_artifact(str(file), str(Path(path).parent))
