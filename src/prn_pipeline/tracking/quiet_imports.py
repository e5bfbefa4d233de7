"""Imports of MLflow and kedro-mlflow without what they would print at the beginning of every run."""

from __future__ import annotations

import importlib
import logging
import warnings

#: The module, and the advice: its class has a `predict` without type hints.
MODULE, ADVICE = "kedro_mlflow.mlflow.kedro_pipeline_model", "Add type hints to the `predict` method"


def import_without_advice() -> None:
    """Import the module before Kedro does. Other warnings are given as ever.

    The warning is recorded and dropped: MLflow sets a filter of its own around it, which comes before any of ours.
    """
    with warnings.catch_warnings(record=True) as caught:
        importlib.import_module(MODULE)
    quieten_logs()
    for one in caught:
        if ADVICE not in str(one.message):
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)


def quieten_logs() -> None:
    """Log warnings of MLflow and kedro-mlflow only: INFO, which importing them sets, tells of tables and resolvers."""
    for name in ("mlflow", "kedro_mlflow"):
        logging.getLogger(name).setLevel(logging.WARNING)
