"""What a training tells MLflow while it runs."""

import mlflow


def log_epoch(epoch: int, metrics: dict[str, float]) -> None:
    """Metrics of one epoch, to the active run; nothing when tracking is off."""
    if mlflow.active_run() is not None:
        mlflow.log_metrics(metrics, step=epoch)
