"""System metrics of MLflow runs, however short the runs are."""

from __future__ import annotations

import mlflow
from mlflow.environment_variables import MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING
from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

#: Seconds between two samples: the curve of a training that takes a minute has about ten points.
SAMPLING_SECONDS = 5


def enable_system_metrics() -> None:
    """Let MLflow sample CPU, memory, disk, network and GPU of every run that is started from now on."""
    mlflow.enable_system_metrics_logging()
    mlflow.set_system_metrics_sampling_interval(SAMPLING_SECONDS)


def log_final_sample() -> None:
    """Log one sample to the active run, as the step after those it already has.

    MLflow publishes its first sample after `SAMPLING_SECONDS`, so a shorter run would have none.
    """
    active = mlflow.active_run()
    if active is None or not MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING.get():
        return
    monitor = SystemMetricsMonitor(active.info.run_id, resume_logging=True)
    monitor.collect_metrics()
    monitor.publish_metrics(monitor.aggregate_metrics())
    monitor.mlflow_logger.flush()
