"""The MLflow run of one run or of stages that runs share: found again by every process, with a child per training."""

from __future__ import annotations

import hashlib
import json
import logging
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import yaml

from prn_pipeline.data.store.sample_store import IDENTITY
from prn_pipeline.layout.scopes import SCOPE_OF, SCOPES, scope_path
from prn_pipeline.processes.owners import this_process
from prn_pipeline.tracking.metric_names import flat_metrics
from prn_pipeline.tracking.provenance import git_commit
from prn_pipeline.tracking.quiet_imports import quieten_logs
from prn_pipeline.tracking.system_metrics import enable_system_metrics, log_final_sample

quieten_logs()

logger = logging.getLogger(__name__)

#: Parameters that are libraries of named blocks; `run` holds the blocks that were chosen from them.
LIBRARIES = ("datasets", "base_models", "refiners")


class MlflowRun:
    """The MLflow run of one scope.

    The stages of a run may run in processes of their own (DVC). They join the same MLflow run if their names, git
    commit and parameters are the same.

    Args:
        parameters: validated, with `run`.
        project: root of the repository.
        scope: a key of `scopes.SCOPES`: "run", or the scope that shares the stages of this process.
    """

    def __init__(self, parameters: dict[str, Any], project: Path, scope: str = "run") -> None:
        self._project = project
        self._scope = scope
        self._names = {name: parameters["run"]["names"][name] for name in SCOPES[scope]}
        self.name = scope_path(scope, self._names)
        settings = json.dumps({k: v for k, v in parameters.items() if k not in LIBRARIES}, sort_keys=True)
        self._key = {
            "role": scope,
            scope: self.name,
            "git_commit": git_commit(project),
            "parameters_sha256": hashlib.sha256(settings.encode()).hexdigest(),
        }
        self._tags = {**self._key, **{name: str(value) for name, value in self._names.items()}}
        self._child: str | None = None
        enable_system_metrics()

    def find(self, experiment: str) -> str | None:
        """Id of the newest MLflow run with the same names, commit and parameters; None if there is none."""
        query = " and ".join(f"tags.`{key}` = '{value}'" for key, value in self._key.items())
        runs = mlflow.search_runs(
            experiment_names=[experiment], filter_string=query, max_results=1, output_format="list"
        )
        return runs[0].info.run_id if runs else None

    def describe(self) -> None:
        """Tag the active MLflow run with scope, names, commit and parameters."""
        if mlflow.active_run() is not None:
            mlflow.set_tags(self._tags | this_process())

    def start_child(self, name: str, stage: str) -> None:
        """Start a nested MLflow run for one training, with the tags of its parent.

        Args:
            name: of the node that trains.
            stage: its stage, whose scope names what is trained: a base model belongs to no refiner.
        """
        if mlflow.active_run() is not None:
            trained = scope_path(SCOPE_OF[stage], self._names)
            self._child = mlflow.start_run(
                run_name=f"{name} {trained}",
                nested=True,
                tags={**self._tags, **this_process(), "role": "training", "stage": name},
            ).info.run_id

    def end_child(self, status: str) -> None:
        """End the nested run, if it is the active one; `status` is FINISHED or FAILED."""
        active = mlflow.active_run()
        if active is not None and active.info.run_id == self._child:
            if status == "FINISHED":
                log_final_sample()
            mlflow.end_run(status)
        self._child = None

    def log_result(self, dataset: str, data: Any) -> None:
        """Log an artefact that a reader of the MLflow run needs: data identity, scores, promotion, report or figures.

        Args:
            dataset: name in the catalog; other names are ignored.
            data: what was saved or loaded.
        """
        if mlflow.active_run() is None:
            return
        if dataset == "manifest":
            _log_data(data)
        elif dataset == "scores":
            mlflow.log_metrics(flat_metrics(data))
            mlflow.log_dict(data, "scores.json")
        elif dataset == "promotion":
            mlflow.log_metrics({f"promotion.{name}": value for name, value in flat_metrics(data).items()})
            mlflow.log_dict(data, "promotion.json")
        elif dataset == "model_card":
            mlflow.log_text(data, "model_card.md")
        elif dataset == "report":
            mlflow.log_text(data, "report.html")
        elif dataset == "figures":
            for name, picture in data.items():
                _log_bytes(picture, f"figures/{name}.png")

    def log_lock(self, running: Collection[str]) -> None:
        """Log dvc.lock, and tag the MLflow run with the hashes it has of the artefacts this process has read.

        Args:
            running: stages of this process. Their entries in dvc.lock are of an earlier run, so they are left out.
        """
        lock = self._project / "dvc.lock"
        if mlflow.active_run() is None or not lock.is_file():
            return
        try:
            stages = (yaml.load(lock.read_text(), yaml.CSafeLoader) or {}).get("stages", {})
        except (yaml.YAMLError, AttributeError, TypeError):  # another stage of DVC is writing the file
            logger.info("dvc.lock is being written by another process: no hashes are logged to this MLflow run")
            return
        mlflow.log_artifact(str(lock))
        mlflow.set_tags(
            {
                f"dvc.{stage.partition('@')[0]}.{Path(out['path']).name}": out.get("md5", "")
                for stage, recorded in stages.items()
                if stage.partition("@")[0] not in running
                for out in (recorded or {}).get("outs", [])
                if self._contains(out["path"])
            }
        )

    def _contains(self, path: str) -> bool:
        """Whether an artefact belongs to this scope, or to a wider scope that it builds on."""
        wider = [scope_path(scope, self._names) for scope in list(SCOPES)[: list(SCOPES).index(self._scope) + 1]]
        places = (str(Path(path).parent), str(Path(path).with_suffix("")))  # scores are named after their run
        return any(place.endswith(f"/{one}") for place in places for one in wider)


def _log_data(manifest: pd.DataFrame) -> None:
    splits = {split: int(count) for split, count in manifest["split"].value_counts().items()}
    mlflow.set_tag("data_identity", manifest.attrs[IDENTITY])
    mlflow.log_dict({"identity": manifest.attrs[IDENTITY], "samples": splits}, "data.json")


def _log_bytes(content: bytes, path: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / Path(path).name
        file.write_bytes(content)
        mlflow.log_artifact(str(file), str(Path(path).parent))
