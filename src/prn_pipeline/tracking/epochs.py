"""Metrics of a training's epochs, logged while it runs."""

import mlflow


def log_epoch(epoch: int, metrics: dict[str, float]) -> None:
    """Log the metrics of one epoch to the active MLflow run; do nothing if there is none."""
    if mlflow.active_run() is not None:
        mlflow.log_metrics(metrics, step=epoch)
