"""Opens the engine of the settings: this process, or Dask workers. The results are the same to the last bit."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from prn_pipeline.data.execution.settings import LOCAL, Engine, EngineSettings
from prn_pipeline.errors import UserError


def open_engine(settings: EngineSettings) -> AbstractContextManager[Engine]:
    """The engine, for as long as the context lasts.

    Raises:
        UserError: Dask is not installed, or its scheduler cannot be reached.
    """
    if settings.kind == "local":
        return nullcontext(LOCAL)
    try:
        from prn_pipeline.data.execution.dask_cluster import dask_engine
    except ImportError as error:
        raise UserError(
            f"engine.kind is dask, but {error.name} is not installed: pip install 'prn_pipeline[distributed]', or set"
            " engine.kind to local"
        ) from error
    return dask_engine(settings)
