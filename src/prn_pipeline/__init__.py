"""PatchRefineNet as a product: refine any binary segmentation model by optimal patch-wise binarization."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prn_pipeline.serving.predictor import Predictor

__all__ = ["Predictor", "__version__"]


def __getattr__(name: str) -> Any:
    """`Predictor` and `__version__`, looked up when they are asked for: Kedro and DVC start without them."""
    if name == "Predictor":
        from prn_pipeline.serving.predictor import Predictor

        return Predictor
    if name == "__version__":
        from importlib.metadata import version

        return version(__name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
