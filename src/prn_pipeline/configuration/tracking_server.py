"""Where the project's runs and models are kept; asked without starting Kedro."""

from __future__ import annotations

from pathlib import Path

from kedro.config import OmegaConfigLoader

from prn_pipeline.configuration.config_loader import LOADER_ARGS


def tracking_of(project: Path) -> dict[str, str]:
    """Where the project's runs go: uri and experiment, as mlflow.yml says."""
    own = "local" if (project / "conf" / "local").is_dir() else "base"  # git keeps no empty folder
    arguments = LOADER_ARGS | {"default_run_env": own, "config_patterns": {"mlflow": ["mlflow*"]}}
    config = OmegaConfigLoader(str(project / "conf"), **arguments)["mlflow"]
    return {"uri": config["server"]["mlflow_tracking_uri"], "experiment": config["tracking"]["experiment"]["name"]}
