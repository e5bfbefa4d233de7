"""Base model and refiner as one ONNX graph, for devices that have no Python."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor, nn

from prn_pipeline.data.store.atomic import atomic_write
from prn_pipeline.data.store.logits import LARGEST_LOGIT
from prn_pipeline.errors import UserError
from prn_pipeline.segmentation.maps import MapMaker
from prn_pipeline.serving.predictor import Predictor, as_rows
from prn_pipeline.training.tiling import GRID

#: Of the ONNX standard; what onnxruntime has known for years.
OPSET = 18
INPUT, OUTPUT = "images", "logits"


class WholeModel(nn.Module):
    """Images to refined logits, in float32.

    Args:
        predictor: with a base model of its own.

    Raises:
        UserError: it refines maps of another program.
    """

    def __init__(self, predictor: Predictor) -> None:
        super().__init__()
        network = predictor.base.runnable
        if network is None:
            raise UserError("this predictor refines maps of another program: there is no model to export")
        self._classes = predictor.classes
        self.maker = MapMaker(network, "tta" in predictor.refiner.arrays, features=False)
        self.refiner = predictor.refiner

    @property
    def multiple(self) -> int:
        """Heights and widths of images are multiples of this."""
        return math.lcm(GRID, self.refiner.settings.multiple)

    def forward(self, images: Tensor) -> Tensor:
        """uint8 (N,3,H,W), or float of 0 .. 255 -> float32 (N,C,H,W), foreground above 0, or the largest class."""
        maps = self.maker(images)
        known = {"images": images, "logits": _clamped(maps.logits)}
        if maps.tta is not None:
            known["tta"] = _clamped(maps.tta)
        rows = [as_rows(known[name], name, self._classes) for name in self.refiner.arrays]
        return _clamped(self.refiner(*rows)).unflatten(0, (-1, self._classes))[:, :, 0]


def export_onnx(predictor: Predictor, path: Path) -> WholeModel:
    """Write one .onnx file, whole or not at all; batch, height and width stay free.

    Args:
        predictor: with a base model of its own.
        path: of the file.

    Returns:
        What was written, as a module.

    Raises:
        UserError: it cannot be exported.
    """
    model = WholeModel(predictor).eval().cpu()
    side = 2 * model.multiple
    channels = predictor.base.settings.channels
    example = torch.zeros(
        2, channels, side, side, dtype=torch.uint8 if predictor.settings.bands is None else torch.int32
    )
    batch, height, width = (torch.export.Dim(name, min=1, max=4096) for name in ("batch", "rows", "columns"))
    free = {0: batch, 2: model.multiple * height, 3: model.multiple * width}
    with atomic_write(path) as temporary:
        try:
            torch.onnx.export(
                model,
                (example,),
                str(temporary),
                input_names=[INPUT],
                output_names=[OUTPUT],
                opset_version=OPSET,
                dynamic_shapes={INPUT: free},
                dynamo=True,
                external_data=False,
                verbose=False,
            )
        except Exception as error:  # the exporter's own, of many kinds
            raise UserError(
                f"{type(predictor.base).__name__} and {type(predictor.refiner).__name__} cannot be written as ONNX"
                f" ({type(error).__name__}: {str(error)[:300]})"
            ) from error
    return model


def _clamped(logits: Tensor) -> Tensor:
    """As logits are where they are stored: clamped, and rounded to float16."""
    return logits.float().clamp(-LARGEST_LOGIT, LARGEST_LOGIT).half().float()
