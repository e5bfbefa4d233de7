"""Metrics of a training's epochs, logged while it runs."""

import sys


def log_epoch(epoch: int, metrics: dict[str, float]) -> None:
    """Log the metrics of one epoch to the active MLflow run; do nothing if there is none."""
    mlflow = sys.modules.get("mlflow")  # a process that has not imported it has no active run
    if mlflow is not None and mlflow.active_run() is not None:
        mlflow.log_metrics(metrics, step=epoch)
