"""The ONNX graph says what the networks say, at any size."""

from pathlib import Path
from typing import cast

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor

from prn_pipeline.data.store.logits import one_vs_rest
from prn_pipeline.errors import UserError
from prn_pipeline.refinement.base_network.refiner import BaseNetwork
from prn_pipeline.refinement.base_network.settings import BaseNetworkSettings
from prn_pipeline.refinement.region_detail.correction import RANKSEG, Correction
from prn_pipeline.refinement.region_detail.correction_strength import Selection
from prn_pipeline.refinement.region_detail.ensemble import FoldEnsemble
from prn_pipeline.refinement.trees.ensemble import TreeEnsemble
from prn_pipeline.refinement.trees.settings import TreesSettings
from prn_pipeline.segmentation.module_settings import ModuleSettings
from prn_pipeline.segmentation.torch_module import ImportedModel
from prn_pipeline.serving.onnx_export import INPUT, export_onnx
from prn_pipeline.serving.predictor import Predictor
from prn_pipeline.serving.settings import PredictorSettings
from tests.unit.serving.conftest import map_predictor, random_refiner


def small_predictor() -> Predictor:
    """A convolution with TTA as base model and a complete refiner, which export in seconds."""
    settings = ModuleSettings(
        kind="module",
        target="torch.nn:Conv2d",
        options={"in_channels": 3, "out_channels": 1, "kernel_size": 3, "padding": 1},
    )
    torch.manual_seed(0)
    return Predictor(ImportedModel(settings).eval(), random_refiner(), PredictorSettings(image_size=64))


@pytest.mark.parametrize("correction", [None, RANKSEG, Correction(1.0, 0.0, 0.5)])
def test_onnxruntime_gives_the_logits_of_the_predictor_at_several_sizes(
    tmp_path: Path, correction: Correction | None
) -> None:
    predictor = small_predictor()
    if correction is not None:  # what the guard can select instead of a correction
        cast(FoldEnsemble, predictor.refiner).select(Selection(correction, 0.1, 0.2, 0.2))
    model = export_onnx(predictor, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    for shape in ((1, 64, 64), (3, 32, 96)):
        images = np.random.default_rng(0).integers(0, 256, (shape[0], 3, *shape[1:]), dtype=np.uint8)
        (found,) = session.run(None, {INPUT: images})
        with torch.inference_mode():
            expected = model(torch.from_numpy(images)).numpy()
        assert found.shape == (shape[0], 1, *shape[1:])
        assert np.abs(found - expected).max() < 2e-3, "they differ by the float16 rounding between the networks"
    served = predictor.logits(np.moveaxis(images, 1, 3)).refined
    assert np.abs(found - served).max() < 0.1, "they differ by bfloat16 rounding on processors that support it"
    assert not list(tmp_path.glob("*partial*"))


@pytest.mark.parametrize("classes", [1, 3])
def test_a_network_that_replaces_the_base_model_is_the_only_one_in_the_graph(classes: int, tmp_path: Path) -> None:
    options = {"in_channels": 3, "out_channels": classes, "kernel_size": 3, "padding": 1}
    settings = ModuleSettings(kind="module", target="torch.nn:Conv2d", options=options, classes=classes)
    torch.manual_seed(0)
    base, tuned = ImportedModel(settings).eval(), ImportedModel(settings).eval()
    block = BaseNetworkSettings(network="base_network", base_model=settings.model_dump(mode="json"))
    names = ("a", "b", "c")[:classes] if classes > 1 else ()
    predictor = Predictor(base, BaseNetwork(block, tuned), PredictorSettings(image_size=64, classes=names))
    export_onnx(predictor, tmp_path / "model.onnx")
    graph = onnx.load(tmp_path / "model.onnx").graph
    assert sum(node.op_type == "Conv" for node in graph.node) == 1
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 64, 96), dtype=np.uint8)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {INPUT: images})
    with torch.inference_mode():
        expected = one_vs_rest(tuned(torch.from_numpy(images))).numpy()
    assert np.abs(found - expected).max() < 0.01, "they differ by float16 rounding"


@pytest.mark.long
def test_trees_are_exported_too(tmp_path: Path) -> None:
    settings = TreesSettings(network="trees", inputs=("images",), trees=8, depth=3, members=2)
    refiner = TreeEnsemble(settings).eval()
    for parameter in refiner.parameters():
        parameter.data.normal_(generator=torch.Generator().manual_seed(0))
    for member in refiner.members:
        cast(Tensor, member.asked).copy_(torch.arange(0, 72, 3).view(8, 3) % 40)
        cast(Tensor, member.limits).fill_(0.3)
    predictor = Predictor(small_predictor().base, refiner, PredictorSettings(image_size=64))
    model = export_onnx(predictor, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    for shape in ((1, 64, 64), (3, 32, 96)):
        images = np.random.default_rng(0).integers(0, 256, (shape[0], 3, *shape[1:]), dtype=np.uint8)
        (found,) = session.run(None, {INPUT: images})
        with torch.inference_mode():
            expected = model(torch.from_numpy(images)).numpy()
            base = model.maker(torch.from_numpy(images)).logits
        assert np.abs(expected - base.numpy()).mean() > 0.1, "the trees correct something"
        assert (np.abs(found - expected) > 2e-3).mean() < 0.01, "a question about a value at its limit may differ"


def test_a_predictor_without_a_base_model_cannot_be_exported(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="it has no base model to export"):
        export_onnx(map_predictor(), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())
