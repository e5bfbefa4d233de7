"""What the exporter is told, and the module that it exports; no graph is made here."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from prn_pipeline.data.file_settings import BandSettings
from prn_pipeline.errors import UserError
from prn_pipeline.segmentation.settings import BaseModelSettings
from prn_pipeline.segmentation.smp_model import BaseModel
from prn_pipeline.serving.onnx_export import WholeModel, export_onnx
from prn_pipeline.serving.predictor import Predictor
from prn_pipeline.serving.settings import PredictorSettings
from prn_pipeline.training.tiling import GRID
from tests.unit.serving.conftest import random_predictor, random_refiner


@pytest.fixture
def exports(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    made: list[Any] = []

    def export(model: Any, arguments: Any, path: str, **options: Any) -> None:
        made.append((model, arguments, options))
        Path(path).write_text("a graph")

    monkeypatch.setattr(torch.onnx, "export", export)
    return made


@pytest.mark.parametrize("bands", [False, True])
def test_the_graph_has_known_names_one_file_and_any_size(exports: list[Any], tmp_path: Path, bands: bool) -> None:
    channels = 4 if bands else 3
    settings = BaseModelSettings(architecture="Unet", encoder="tu-mobilenetv3_small_050", channels=channels)
    reading = BandSettings(count=4, low=0, high=1000) if bands else None
    served = Predictor(BaseModel(settings), random_refiner(("tta",)), PredictorSettings(image_size=64, bands=reading))
    model = export_onnx(served, tmp_path / "model.onnx")
    ((exported, (example,), options),) = exports
    assert exported is model
    assert not model.training
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]
    assert model.multiple == math.lcm(GRID, served.refiner.settings.multiple)
    assert example.shape == (2, channels, 2 * model.multiple, 2 * model.multiple)
    assert example.dtype == (torch.int32 if bands else torch.uint8)
    (dynamic,) = [options.pop("dynamic_shapes")]
    assert list(dynamic) == ["images"]
    assert list(dynamic["images"]) == [0, 2, 3]
    assert "batch" in str(dynamic["images"][0])
    assert [str(model.multiple) in str(dynamic["images"][axis]) for axis in (2, 3)] == [True, True]
    assert ["rows" in str(dynamic["images"][2]), "columns" in str(dynamic["images"][3])] == [True, True]
    assert options == {
        "input_names": ["images"],
        "output_names": ["logits"],
        "opset_version": 18,
        "dynamo": True,
        "external_data": False,
        "verbose": False,
    }


def test_networks_that_cannot_be_exported_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError("x" * 1000)

    monkeypatch.setattr(torch.onnx, "export", fails)
    with pytest.raises(UserError) as caught:
        export_onnx(random_predictor(), tmp_path / "model.onnx")
    reason = "x" * 300
    assert str(caught.value) == f"BaseModel and FoldEnsemble cannot be exported to ONNX (RuntimeError: {reason})"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_takes_no_files_is_refused_before_the_export(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.onnx, "export", lambda *given, **options: pytest.fail("exported"))
    with pytest.raises(OSError, match="/proc"):
        export_onnx(random_predictor(), Path("/proc/model.onnx"))


@pytest.mark.parametrize("classes", [1, 3])
def test_the_exported_module_says_what_the_predictor_says(classes: int) -> None:
    served = random_predictor(classes)
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    expected = served.logits(images).refined
    with torch.inference_mode():
        found = WholeModel(served).eval()(torch.from_numpy(images).permute(0, 3, 1, 2))
    assert found.dtype == torch.float32
    assert found.shape == expected.shape == (2, classes, 64, 64)
    assert np.abs(found.numpy() - expected).mean() < 0.05
    assert (found == found.half().float()).all(), "rounded as stored"
