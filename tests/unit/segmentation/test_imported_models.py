"""Any torch module can be a base model, with its own normalisation and form of output."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from prn_pipeline.errors import UserError
from prn_pipeline.segmentation.maps import MapMaker
from prn_pipeline.segmentation.module_settings import ModuleSettings
from prn_pipeline.segmentation.objective import MaskObjective
from prn_pipeline.segmentation.registry import build_base_model, read_base_settings
from prn_pipeline.segmentation.torch_module import ImportedModel

HERE = "tests.unit.segmentation.test_imported_models"


class Brightness(nn.Module):
    """One weight per channel; `form` selects the form of the output."""

    def __init__(self, form: str = "map", fail: bool = False) -> None:
        super().__init__()
        if fail:
            raise RuntimeError("licence is missing")
        self.form = form
        self.weight = nn.Parameter(torch.tensor([1.0, 2.0, 3.0]))

    def forward(self, images: Tensor) -> Any:
        logits = (images * self.weight.view(1, 3, 1, 1)).sum(1, keepdim=True)
        forms = {
            "map": lambda: logits,
            "flat": lambda: logits[:, 0],
            "two": lambda: torch.cat([-logits / 2, logits / 2], 1),
            "probabilities": logits.sigmoid,
            "softmax": lambda: torch.cat([-logits / 2, logits / 2], 1).softmax(1),
            "dict": lambda: {"out": logits, "aux": logits * 0},
            "tuple": lambda: (None, logits),
            "small": lambda: logits[..., ::2, ::2],
            "three": lambda: logits.expand(-1, 3, -1, -1),
        }
        return forms[self.form]()


def settings(form: str = "map", **changes: Any) -> ModuleSettings:
    return ModuleSettings(kind="module", target=f"{HERE}:Brightness", options={"form": form}, **changes)


IMAGES = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def expected(images: Tensor) -> Tensor:
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    values = (images / 255 - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)
    return (values * torch.tensor([1.0, 2.0, 3.0]).view(1, 3, 1, 1)).sum(1, keepdim=True)


@pytest.mark.parametrize(
    ("form", "changes"),
    [
        ("map", {}),
        ("flat", {}),
        ("two", {}),
        ("probabilities", {"output": "probabilities"}),
        ("softmax", {"output": "probabilities"}),
        ("dict", {"output_key": "out"}),
        ("tuple", {"output_key": 1}),
    ],
)
def test_every_form_of_output_becomes_the_same_logits(form: str, changes: dict[str, Any]) -> None:
    with torch.autocast("cpu", torch.bfloat16, enabled=form in ("probabilities", "softmax")):
        logits = ImportedModel(settings(form, **changes))(IMAGES)
    assert logits.shape == (2, 1, 32, 32)
    inside = expected(IMAGES).abs() < 12  # float32 cannot resolve probabilities of larger logits
    assert (logits - expected(IMAGES)).abs()[inside].max() < 0.02


def test_images_are_normalised_as_the_module_expects() -> None:
    normalisation = {"divide_by": 1.0, "mean": [0, 0, 0], "std": [1, 2, 1], "channels": "bgr"}
    logits = ImportedModel(settings(normalisation=normalisation))(IMAGES)
    blue, green, red = IMAGES[:, 2].float(), IMAGES[:, 1].float(), IMAGES[:, 0].float()
    assert torch.allclose(logits[:, 0], blue + green + 3 * red)


def test_a_smaller_map_is_enlarged_to_the_size_of_the_image() -> None:
    assert ImportedModel(settings("small"))(IMAGES).shape == (2, 1, 32, 32)


def test_an_imported_model_has_tta_and_no_features_and_can_be_trained() -> None:
    model = ImportedModel(settings())
    maps = MapMaker(model, tta=True, features=False)(IMAGES)
    assert maps.tta is not None
    assert torch.allclose(maps.tta[:, :, 0], maps.logits, atol=1e-4)
    with pytest.raises(UserError, match="features"):
        MapMaker(model, features=True)
    loss, _ = MaskObjective("bce_dice")(model, {"inputs": IMAGES, "masks": (IMAGES[:, 0] > 99).to(torch.uint8)})
    loss.backward()
    assert model.network.weight.grad is not None
    assert model.network.weight.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("form", "changes", "message"),
    [
        ("three", {}, r"shape \(2, 3, 32, 32\).*expected \(N,1,H,W\)"),
        ("dict", {}, "returns a dict with 'out', 'aux', expected a tensor: set output_key"),
        ("dict", {"output_key": "logits"}, "without output_key 'logits'"),
        ("tuple", {"output_key": 5}, "a tuple of 2, without output_key 5"),
        ("map", {"output": "probabilities"}, "are not probabilities: set output: logits"),
    ],
)
def test_the_error_for_an_output_that_is_not_a_map_names_a_remedy(
    form: str, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        ImportedModel(settings(form, **changes))(IMAGES)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target": "no_such_package:Net"}, "cannot be imported.*PYTHONPATH"),
        ({"target": f"{HERE}:Darkness"}, "has no attribute 'Darkness'"),
        ({"target": f"{HERE}:expected", "options": {"images": IMAGES}}, "returns a Tensor, expected a torch.nn.Module"),
        ({"options": {"fail": True}}, "licence is missing"),
        ({"options": {"colour": 1}}, "unexpected keyword argument 'colour'"),
        ({"weights": "nowhere.pt"}, "no weights at .*nowhere.pt"),
    ],
)
def test_the_error_for_a_module_that_cannot_be_loaded_gives_the_reason(changes: dict[str, Any], message: str) -> None:
    described = {"kind": "module", "target": f"{HERE}:Brightness"} | changes
    with pytest.raises(UserError, match=message):
        ImportedModel(ModuleSettings.model_validate(described))


def test_the_error_for_a_size_that_the_module_fails_on_names_it() -> None:
    described = {"kind": "module", "target": "torch.nn:Linear", "options": {"in_features": 32, "out_features": 4}}
    with pytest.raises(UserError, match=r"fails on an image of 48 x 48 pixels.*image_size"):
        ImportedModel(ModuleSettings.model_validate(described)).check_size(48)


@pytest.mark.parametrize("form", ["safetensors", "plain", "checkpoint", "parallel"])
def test_weights_are_read_from_every_common_form_of_checkpoint(tmp_path: Path, form: str) -> None:
    weights = {"weight": torch.tensor([5.0, 6.0, 7.0])}
    file = tmp_path / ("w.safetensors" if form == "safetensors" else "w.pt")
    if form == "safetensors":
        save_file(weights, file)
    else:
        stored = {f"module.{name}": tensor for name, tensor in weights.items()} if form == "parallel" else weights
        torch.save({"state_dict": stored, "epoch": 3} if form == "checkpoint" else stored, file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    model = ImportedModel(settings(weights=str(file), sha256=digest))
    assert model.network.weight.tolist() == [5.0, 6.0, 7.0]
    with pytest.raises(UserError, match=r"has sha256 .*, expected 0000"):
        ImportedModel(settings(weights=str(file), sha256="0" * 64))


def test_weights_of_another_network_and_unsafe_files_are_rejected(tmp_path: Path) -> None:
    file = tmp_path / "w.pt"
    torch.save({"weight": torch.zeros(4), "bias": torch.zeros(1)}, file)
    with pytest.raises(UserError, match=r"1 unexpected: bias; 1 of another .*: weight is \(4,\), expected \(3,\)"):
        ImportedModel(settings(weights=str(file)))
    torch.save(Brightness(), file)  # loading a pickled module would run code
    with pytest.raises(UserError, match="no weights that can be read safely"):
        ImportedModel(settings(weights=str(file)))
    file.write_text("not a checkpoint")
    with pytest.raises(UserError, match="no weights that can be read safely"):
        ImportedModel(settings(weights=str(file)))


def test_the_kind_of_settings_selects_their_model() -> None:
    assert read_base_settings({"architecture": "Unet", "encoder": "resnet18"}).kind == "smp"
    assert isinstance(build_base_model(read_base_settings(settings().model_dump())), ImportedModel)
    assert not read_base_settings({"kind": "maps"}).available_inputs
    with pytest.raises(UserError, match="unknown kind of base model 'onnx'; there are smp, module"):
        read_base_settings({"kind": "onnx"})
