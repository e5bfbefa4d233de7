"""A network whose output is not what its settings say is refused before it is trained or used."""

import logging
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from prn_pipeline.errors import UserError
from prn_pipeline.segmentation.module_settings import ModuleSettings
from prn_pipeline.segmentation.registry import read_base_settings
from prn_pipeline.segmentation.settings import BaseModelSettings
from prn_pipeline.segmentation.torch_module import ImportedModel

HERE = "tests.unit.segmentation.map_checks.test_network_outputs"
IMAGES = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


class Small(nn.Module):
    """Two convolutions, with an end that `ending` names."""

    def __init__(self, ending: str = "none", channels: int = 1) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, channels, 1)
        )
        self.ending = ending

    def forward(self, images: Tensor) -> Tensor:
        logits = self.layers(images)
        endings = {
            "none": lambda: logits,
            "sigmoid": logits.sigmoid,
            "softmax": lambda: logits.softmax(1),
            "twice": lambda: logits.sigmoid().sigmoid(),
            "softmax twice": lambda: (20 * logits).softmax(1).softmax(1),
            "argmax": lambda: logits.argmax(1),
            "threshold": (logits > logits.mean()).float,
            "bytes": lambda: 255 * logits.sigmoid(),
        }
        return endings[self.ending]()


def model(ending: str, channels: int = 1, **settings: Any) -> ImportedModel:
    options = {"ending": ending, "channels": channels}
    described = {"kind": "module", "target": f"{HERE}:Small", "options": options, **settings}
    return ImportedModel(ModuleSettings.model_validate(described))


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize(("ending", "channels", "classes"), [("sigmoid", 1, 1), ("softmax", 2, 1), ("softmax", 4, 4)])
def test_a_module_that_ends_in_a_sigmoid_or_softmax_has_no_logits(
    train: bool, ending: str, channels: int, classes: int
) -> None:
    with pytest.raises(UserError, match=r"Small: in its output for 4 images, .* 0 and 1.*`output: probabilities`"):
        model(ending, channels, classes=classes, train=train).check_output(IMAGES)
    model(ending, channels, classes=classes, train=train, output="probabilities").check_output(IMAGES)


@pytest.mark.parametrize(
    ("ending", "channels", "output", "message"),
    [
        ("twice", 1, "probabilities", "second sigmoid.*Leave out one sigmoid"),
        ("softmax twice", 2, "probabilities", "second softmax.*Leave out one softmax"),
        ("argmax", 2, "logits", "only the values 0 and 1, which makes them masks"),
        ("threshold", 1, "probabilities", "only the values 0 and 1, which makes them masks"),
        ("bytes", 1, "probabilities", "are no probabilities. Return probabilities from 0 to 1"),
        ("none", 1, "probabilities", "are no probabilities. Set `output: logits`"),
    ],
)
def test_other_endings_are_refused_with_a_remedy(ending: str, channels: int, output: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        model(ending, channels, output=output).check_output(IMAGES)


@pytest.mark.parametrize(("channels", "by_chance"), [(1, False), (2, False), (1, True), (2, True)])
def test_logits_of_a_network_that_is_still_to_be_trained_pass(channels: int, by_chance: bool) -> None:
    network = model("none", channels, train=True)
    if by_chance:  # every logit lies between 0 and 1
        last: Any = network.network.layers[-1]
        with torch.no_grad():
            last.weight.mul_(1e-3)
            last.bias.fill_(0.5)
    before = {name: weight.clone() for name, weight in network.state_dict().items()}
    network.train()
    network.check_output(IMAGES)
    assert network.training
    for name, weight in network.state_dict().items():
        assert torch.equal(weight, before[name]), name


def test_check_warn_and_skip(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        model("sigmoid", check="skip").check_output(IMAGES)
        assert not caplog.messages
        model("sigmoid", check="warn").check_output(IMAGES)
    assert "output: probabilities" in caplog.messages[0]


def test_the_channel_of_the_foreground_can_be_set() -> None:
    two = model("none", 2).eval()(IMAGES)
    assert torch.allclose(model("none", 2, foreground=0).eval()(IMAGES), -two)
    one = model("none").eval()(IMAGES)
    assert torch.allclose(model("none", foreground=0).eval()(IMAGES), -one)
    assert torch.allclose(model("sigmoid", output="probabilities", foreground=0).eval()(IMAGES), -one, atol=1e-4)
    three = model("none", 3).eval().network(torch.zeros(1, 3, 8, 8)).softmax(1)
    found = model("none", 3, foreground=2, normalisation={"mean": [0] * 3, "std": [1] * 3}).eval()
    assert torch.allclose(found(torch.zeros(1, 3, 8, 8)).sigmoid(), three[:, 2:], atol=1e-5)
    with pytest.raises(UserError, match=r"shape \(4, 3, 32, 32\).*or set foreground"):
        model("none", 3)(IMAGES)


def test_the_channels_of_classes_can_be_set() -> None:
    usual = model("none", 4, classes=4).eval()(IMAGES)
    chosen = model("none", 4, classes=3, class_channels=[3, 0, 1]).eval()(IMAGES)
    assert torch.equal(chosen, usual[:, [3, 0, 1]])
    with pytest.raises(UserError, match="or set class_channels"):
        model("none", 4, classes=3)(IMAGES)


@pytest.mark.parametrize("activation", ["sigmoid", "softmax2d", "logsoftmax"])
def test_a_network_of_the_library_has_no_activation(activation: str) -> None:
    block = {"architecture": "Unet", "encoder": "resnet18", "options": {"activation": activation}}
    with pytest.raises(ValidationError, match=f"activation is '{activation}'.*remove `activation` from options"):
        read_base_settings(block)
    block["options"] = {"activation": "identity"}
    assert isinstance(read_base_settings(block), BaseModelSettings)
    block["options"] = {"aux_params": {"classes": 1}}
    with pytest.raises(ValidationError, match="remove `aux_params` from options"):
        read_base_settings(block)


def test_older_dumps_compare_equal() -> None:
    module = ModuleSettings(kind="module", target=f"{HERE}:Small")
    assert not {"check", "foreground", "class_channels"} & set(module.model_dump())
    maps = read_base_settings({"kind": "maps"}).model_dump()
    assert set(maps) == {"kind", "folder", "name", "values", "seen", "classes", "channels"}
    changed = read_base_settings({"kind": "maps", "foreground": 0, "scale": 1, "check": "warn"}).model_dump()
    assert (changed["foreground"], changed["scale"], changed["check"]) == (0, 1, "warn")
    assert read_base_settings(changed).model_dump() == changed


class Outputs(nn.Module):
    """The saturation of images that this network expects with values 0 .. 255, returned in the form `form`."""

    def __init__(self, form: str) -> None:
        super().__init__()
        self.form, self.weight = form, nn.Parameter(torch.tensor(0.1))

    def forward(self, images: Tensor) -> Any:
        logits = self.weight * (images.mean(1, keepdim=True) - 100)
        forms = {
            "dict": lambda: {"out": logits, "aux": -logits},
            "tuple": lambda: (logits, -logits),
            "nested": lambda: ([logits, -logits], [logits]),
            "channels last": lambda: torch.cat([-logits, logits], 1).permute(0, 2, 3, 1),
            "first of batch": lambda: logits[:1],
            "one image only": lambda: logits.view(1, 1, *logits.shape[2:]),
            "dropout": lambda: nn.functional.dropout(logits, 0.5),
            "batch statistics": lambda: nn.functional.batch_norm(logits, None, None, training=True),
            "numpy": lambda: logits.detach().numpy(),
            "bytes": lambda: 255 * logits.sigmoid(),
            "nothing": lambda: None,
        }
        return forms[self.form]()


def outputs(form: str, **settings: Any) -> ImportedModel:
    raw = {"divide_by": 1, "mean": [0] * 3, "std": [1] * 3}
    described = {"kind": "module", "target": f"{HERE}:Outputs", "options": {"form": form}, "normalisation": raw}
    return ImportedModel(ModuleSettings.model_validate(described | settings))


@pytest.mark.parametrize(
    ("form", "settings", "message"),
    [
        (
            "dict",
            {},
            "a dict with 'out', 'aux', expected a tensor: set output_key to .*, one of 'out', 'aux'",
        ),
        ("tuple", {}, "a tuple of 2, expected a tensor: set output_key to the map's key, one of 0, 1"),
        (
            "nested",
            {"output_key": 0},
            r"a list of 2 at output_key 0, .*: set output_key to \[0\] and the .* 0, 1",
        ),
        ("nested", {"output_key": [0, 9]}, r"without output_key \[0, 9\]: correct output_key"),
        ("channels last", {}, r"with its channels last, .* return output.permute\(0, 3, 1, 2\)"),
        ("channels last", {"foreground": 0}, "with its channels last"),
        ("first of batch", {}, "returns 1 maps for 4 images"),
        ("one image only", {}, "it takes one image, but fails on 4 .*Make the module take batches of any size"),
        ("dropout", {}, "the map of an image is another one each time.*F.dropout without training=self.training"),
        ("batch statistics", {}, "depends on the other images of its batch"),
        ("numpy", {}, "a ndarray, expected a tensor: correct `target`, or write a module that returns"),
        ("nothing", {}, "a NoneType, expected a tensor: correct `target`"),
        ("bytes", {}, "hardly logits.*return values divided by 255, and set `output: probabilities`"),
    ],
)
def test_outputs_of_another_form_are_refused_with_a_remedy(form: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        outputs(form, **settings).check_output(IMAGES)


@pytest.mark.parametrize(("form", "key"), [("dict", "out"), ("tuple", 0), ("nested", [0, 0]), ("nested", (1, 0))])
def test_the_key_of_the_output_can_be_nested(form: str, key: Any) -> None:
    found = outputs(form, output_key=key)
    found.check_output(IMAGES)
    expected = 0.1 * (IMAGES.float().mean(1, keepdim=True) - 100)
    assert torch.allclose(found(IMAGES), expected, atol=1e-3)
