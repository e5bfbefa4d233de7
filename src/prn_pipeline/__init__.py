"""PatchRefineNet as a product: refine any binary segmentation model by optimal patch-wise binarization."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prn_pipeline.serving.predictor import Predictor

__all__ = ["Predictor"]


def __getattr__(name: str) -> Any:
    """`Predictor`, imported when it is asked for: Kedro and DVC start without it."""
    if name == "Predictor":
        from prn_pipeline.serving.predictor import Predictor

        return Predictor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
