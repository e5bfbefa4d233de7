"""Networks with an input of fixed size, whatever the size of images."""

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from torch import nn

from prn_pipeline.data.store.array_store import ArrayStore
from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.errors import UserError
from prn_pipeline.segmentation.few_shot import FewShotModel
from prn_pipeline.segmentation.maps import MapMaker
from prn_pipeline.segmentation.module_settings import ModuleSettings
from prn_pipeline.segmentation.network_source import cached_maps
from prn_pipeline.segmentation.settings import BaseModelSettings, FewShotSettings
from prn_pipeline.segmentation.smp_model import BaseModel
from prn_pipeline.segmentation.torch_module import ImportedModel
from prn_pipeline.serving.onnx_export import INPUT, export_onnx
from prn_pipeline.serving.predictor import Predictor
from prn_pipeline.serving.settings import PredictorSettings
from prn_pipeline.stages.base_training import train_base_model
from prn_pipeline.training.samples import StoredSamples
from prn_pipeline.training.settings import TrainingSettings
from prn_pipeline.training.tiling import Tiles
from tests.unit.serving.conftest import random_refiner


class SizeRecorder(nn.Module):
    """The mean of all channels; records the height and width of its inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[int, ...]] = []
        self.scale = nn.Parameter(torch.tensor(0.1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.seen.append(tuple(images.shape[-2:]))
        return self.scale * images.mean(1, keepdim=True)


def module(**settings: object) -> ImportedModel:
    values = {"kind": "module", "target": f"{__name__}:SizeRecorder", "check": "skip", **settings}
    return ImportedModel(ModuleSettings.model_validate(values)).eval()


def unet(size: int | None) -> BaseModel:
    torch.manual_seed(0)
    return BaseModel(BaseModelSettings(architecture="Unet", encoder="tu-mobilenetv3_small_050", input_size=size)).eval()


@pytest.mark.parametrize(("size", "expected"), [(32, (32, 32)), ((48, 32), (48, 32)), (None, (90, 70))])
def test_a_module_sees_images_at_its_own_size_and_gives_maps_at_theirs(size: object, expected: tuple[int, int]) -> None:
    model = module(input_size=size)
    assert model(torch.zeros(2, 3, 90, 70)).shape == (2, 1, 90, 70)
    assert model.network.seen == [expected]  # type: ignore[union-attr]


def test_images_are_averaged_where_they_shrink_and_maps_are_bilinear() -> None:
    images = torch.rand(1, 3, 64, 64) * 255
    model = module(input_size=16, normalisation={"divide_by": 1, "mean": [0, 0, 0], "std": [1, 1, 1]})
    grey = 0.1 * images[0].mean(0).numpy()
    small = np.asarray(Image.fromarray(grey).resize((16, 16), Image.Resampling.BILINEAR))
    places = (np.arange(64) + 0.5) / 4 - 0.5  # where the pixels of the image lie on the small map

    def stretched(rows: np.ndarray) -> np.ndarray:
        return np.stack([np.interp(places, np.arange(16), row) for row in rows])

    expected = stretched(stretched(small).T).T
    assert model(images)[0, 0].detach().numpy() == pytest.approx(expected, abs=1e-3)


def test_a_unet_gives_what_it_gives_for_images_of_its_size() -> None:
    images = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)
    assert torch.equal(unet(64)(images), unet(None)(images))
    large = images.repeat_interleave(3, 2).repeat_interleave(3, 3)
    assert unet(64)(large).shape == (1, 1, 192, 192)


def test_features_have_half_the_resolution_of_the_images() -> None:
    maps = MapMaker(unet(64))(torch.randint(0, 256, (1, 3, 160, 160), dtype=torch.uint8))
    assert maps.features is not None
    assert maps.features.shape[-2:] == (80, 80)
    assert maps.logits.shape[-2:] == (160, 160)


def test_a_few_shot_model_compares_at_its_own_size() -> None:
    settings = {"kind": "few_shot", "encoder": "resnet18", "width": 16}
    torch.manual_seed(0)
    fixed = FewShotModel(FewShotSettings.model_validate({**settings, "input_size": 64})).eval()
    plain = FewShotModel(FewShotSettings.model_validate(settings)).eval()
    plain.load_state_dict(fixed.state_dict())
    draw = torch.Generator().manual_seed(0)
    images, support = (
        torch.randint(0, 256, shape, generator=draw).float() for shape in ((1, 3, 90, 90), (1, 2, 3, 90, 90))
    )
    masks = torch.zeros(1, 2, 90, 90, dtype=torch.uint8)
    masks[..., 30:60, 30:60] = 1
    fixed.check_size(90)
    logits = fixed(images, support, masks)
    small = [nn.functional.interpolate(one, (64, 64), mode="bilinear", antialias=True) for one in (images, support[0])]
    expected = plain(small[0], small[1][None], masks)
    assert logits.shape == (1, 1, 90, 90)
    assert torch.allclose(logits.mean(), expected.mean(), atol=0.05), "the same maps, but for their size"


def test_a_fixed_input_frees_image_size_from_the_stride_of_the_network() -> None:
    fpn = {"architecture": "FPN", "encoder": "resnet18"}
    BaseModel(BaseModelSettings.model_validate({**fpn, "input_size": 64})).check_size(100)
    with pytest.raises(UserError, match=r"multiple of 32; its input_size is 100: use 96 or 128"):
        BaseModel(BaseModelSettings.model_validate({**fpn, "input_size": 100})).check_size(64)


def test_a_model_that_is_trained_on_turned_samples_has_a_square_input() -> None:
    with pytest.raises(ValidationError, match=r"input_size is \[64, 32\].*give one side"):
        module(input_size=[64, 32], train=True)


def test_settings_without_a_fixed_input_are_stored_as_before() -> None:
    assert "input_size" not in BaseModelSettings(architecture="Unet", encoder="resnet18").model_dump()
    assert BaseModelSettings(architecture="Unet", encoder="resnet18", input_size=64).model_dump()["input_size"] == 64


@pytest.mark.parametrize("memory", [0, 2**30])
def test_training_samples_are_what_a_data_set_of_that_size_would_hold(bright_squares: Samples, memory: int) -> None:
    rows = np.array([5, 2, 5])
    samples = StoredSamples(bright_squares, rows, {"inputs": "images", "masks": "masks"}, memory=memory, side=32)
    assert len(samples) == len(rows)
    for index, row in enumerate(rows):
        image, mask = (Image.fromarray(bright_squares.array(name, [row])[0]) for name in ("images", "masks"))
        sample = samples[index]
        assert np.array_equal(sample["inputs"].movedim(0, 2), image.resize((32, 32), Image.Resampling.BILINEAR))
        assert np.array_equal(sample["masks"], mask.resize((32, 32), Image.Resampling.NEAREST))


def test_samples_are_stretched_once_if_they_are_held(bright_squares: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    arrays = {"inputs": "images", "masks": "masks"}
    held = StoredSamples(bright_squares, np.arange(4), arrays, memory=4 * 32 * 32 * 4, side=32)
    held[0]
    monkeypatch.setattr(ArrayStore, "read", lambda *_: pytest.fail("read again"))
    monkeypatch.setattr("prn_pipeline.training.samples.image_stretched", lambda *_: pytest.fail("stretched again"))
    assert held[3]["inputs"].shape == (3, 32, 32)


def test_a_network_is_trained_at_its_size_and_makes_maps_at_that_of_the_samples(
    bright_squares: Samples, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = BaseModelSettings(architecture="Unet", encoder="tu-mobilenetv3_small_050", input_size=32)
    seen: set[tuple[int, ...]] = set()
    forward = BaseModel.forward

    def recorded(self: BaseModel, images: torch.Tensor) -> torch.Tensor:
        seen.add(tuple(images.shape[-2:]))
        return forward(self, images)

    monkeypatch.setattr(BaseModel, "forward", recorded)
    training = TrainingSettings(epochs=1, batch_size=4, workers=0)
    trained = train_base_model(bright_squares, settings, training, 0, tmp_path)  # type: ignore[arg-type]
    assert seen == {(32, 32)}
    manifest = bright_squares.manifest.assign(model="base", seen_in_training=False)
    (maps,) = cached_maps(bright_squares, manifest, {"base": trained.network}, 8, ["tta"], wanted=np.arange(2))
    assert maps["logits"].shape == (2, 64, 64)
    assert maps["tta"].shape == (2, 2, 64, 64)


def test_images_are_never_cut_into_tiles(bright_squares: Samples) -> None:
    model = module(input_size=16)
    manifest = bright_squares.manifest.assign(model="base", seen_in_training=False)
    tiles = Tiles(size=64, overlap=32).model_copy(update={"size": 32})
    (maps,) = cached_maps(bright_squares, manifest, {"base": model}, 8, [], tiles, np.arange(2))
    whole = model(torch.from_numpy(bright_squares.array("images", [0, 1])).movedim(3, 1))[:, 0]
    assert maps["logits"] == pytest.approx(whole.detach().numpy(), abs=0.02)
    predictor = Predictor(model, random_refiner(), PredictorSettings(image_size=64))
    with pytest.raises(UserError, match="sees every image at input_size = 16 x 16, so that at_own_scale"):
        predictor.predict(np.zeros((200, 200, 3), np.uint8), at_own_scale=True)


@pytest.mark.long
def test_onnx_graphs_keep_the_fixed_input(tmp_path: object) -> None:
    torch.manual_seed(0)
    options = {"in_channels": 3, "out_channels": 1, "kernel_size": 3, "padding": 1}
    settings = ModuleSettings(kind="module", target="torch.nn:Conv2d", options=options, input_size=48)
    predictor = Predictor(ImportedModel(settings).eval(), random_refiner(), PredictorSettings(image_size=64))
    model = export_onnx(predictor, tmp_path / "model.onnx")  # type: ignore[operator]
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")  # type: ignore[operator]
    for shape in ((1, 64, 64), (2, 96, 32)):
        images = np.random.default_rng(0).integers(0, 256, (shape[0], 3, *shape[1:]), dtype=np.uint8)
        (found,) = session.run(None, {INPUT: images})
        assert np.abs(found - model(torch.from_numpy(images)).detach().numpy()).max() < 5e-3
