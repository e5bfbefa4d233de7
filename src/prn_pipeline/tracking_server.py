"""Where the project's runs and models are kept; asked without starting Kedro."""

from __future__ import annotations

from pathlib import Path

from kedro.config import OmegaConfigLoader

from prn_pipeline.config_loader import LOADER_ARGS


def tracking_of(project: Path) -> dict[str, str]:
    """Where the project's runs go: uri and experiment, as mlflow.yml says."""
    loader = OmegaConfigLoader(str(project / "conf"), config_patterns={"mlflow": ["mlflow*"]}, **LOADER_ARGS)
    config = loader["mlflow"]
    return {"uri": config["server"]["mlflow_tracking_uri"], "experiment": config["tracking"]["experiment"]["name"]}
