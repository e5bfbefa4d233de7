"""Export of base model and refiner as one ONNX graph, for devices without Python."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor, nn

from prn_pipeline.data.store.atomic import atomic_write
from prn_pipeline.data.store.logits import LARGEST_LOGIT
from prn_pipeline.errors import UserError
from prn_pipeline.segmentation.input_names import TTA_SCALES
from prn_pipeline.segmentation.maps import MapMaker
from prn_pipeline.serving.networks import as_rows
from prn_pipeline.serving.predictor import Predictor
from prn_pipeline.training.tiles import GRID

#: Opset of the ONNX standard, which onnxruntime has supported for years.
OPSET = 18
INPUT, OUTPUT = "images", "logits"


class WholeModel(nn.Module):
    """Images to refined logits, in float32.

    Args:
        predictor: predictor with a base network.

    Raises:
        UserError: the predictor refines maps of another program, or its refiner reads maps at other scales.
    """

    def __init__(self, predictor: Predictor) -> None:
        super().__init__()
        network = predictor.base.runnable
        if network is None:
            raise UserError(
                "this predictor refines maps of another program, so it has no base model to export: export a predictor"
                " of another base model"
            )
        if TTA_SCALES in predictor.refiner.arrays:
            raise UserError(
                "the refiner reads maps at other scales of the image, which no graph for images of any size can make:"
                " export the predictor of one that reads TTA over flips only, such as trees"
            )
        self._classes = predictor.classes
        self.maker = MapMaker(network, "tta" in predictor.refiner.arrays, features=False)
        self.refiner = predictor.refiner

    @property
    def multiple(self) -> int:
        """Heights and widths of images must be multiples of this."""
        return math.lcm(GRID, self.refiner.settings.multiple)

    def forward(self, images: Tensor) -> Tensor:
        """Images uint8 (N,3,H,W), or float of 0 .. 255 -> logits float32 (N,C,H,W), foreground above 0 (C = 1)."""
        inputs = {"images": images} | self._maps(images)
        rows = [as_rows(inputs[name], name, self._classes) for name in self.refiner.arrays]
        return _rounded_as_stored(self.refiner(*rows)).unflatten(0, (-1, self._classes))[:, :, 0]

    def _maps(self, images: Tensor) -> dict[str, Tensor]:
        """The base model's maps as inputs of the refiner; nothing meaningful for a refiner that replaces it."""
        if self.refiner.replaces_base_model:
            return {"logits": images[:, :1].expand(-1, self._classes, -1, -1)}
        maps = self.maker(images)
        tta = {} if maps.tta is None else {"tta": _rounded_as_stored(maps.tta)}
        return {"logits": _rounded_as_stored(maps.logits)} | tta


def export_onnx(predictor: Predictor, path: Path) -> WholeModel:
    """Write one .onnx file, atomically; batch, height and width are dynamic.

    Args:
        predictor: predictor with a base network.
        path: path of the file.

    Returns:
        The exported module.

    Raises:
        UserError: the networks cannot be exported.
    """
    model = WholeModel(predictor).eval().cpu()
    side = 2 * model.multiple
    channels = predictor.base.settings.channels
    example = torch.zeros(
        2, channels, side, side, dtype=torch.uint8 if predictor.settings.bands is None else torch.int32
    )
    batch, height, width = (torch.export.Dim(name, min=1, max=4096) for name in ("batch", "rows", "columns"))
    dynamic = {0: batch, 2: model.multiple * height, 3: model.multiple * width}
    with atomic_write(path) as temporary:
        temporary.touch()  # a folder that takes no files is noticed here, and not after the export
        try:
            torch.onnx.export(
                model,
                (example,),
                str(temporary),
                input_names=[INPUT],
                output_names=[OUTPUT],
                opset_version=OPSET,
                dynamic_shapes={INPUT: dynamic},
                dynamo=True,
                external_data=False,
                verbose=False,
            )
        except Exception as error:  # the exporter raises many types
            raise UserError(
                f"{type(predictor.base).__name__} and {type(predictor.refiner).__name__} cannot be exported to ONNX"
                f" ({type(error).__name__}: {str(error)[:300]})"
            ) from error
    return model


def _rounded_as_stored(logits: Tensor) -> Tensor:
    """Logits as the logit cache stores them: clamped, and rounded to float16."""
    return logits.float().clamp(-LARGEST_LOGIT, LARGEST_LOGIT).half().float()
