"""Maps that mean another thing than the settings say are refused with the setting; honest maps pass in silence."""

import logging
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.special import expit, logit

from prn_pipeline.errors import UserError
from tests.unit.segmentation.map_checks.conftest import Scenes

Check = Callable[..., None]


def eight_bits(p: np.ndarray) -> np.ndarray:
    return np.rint(255 * p).astype(np.uint8)


def logits(p: np.ndarray) -> np.ndarray:
    return logit(np.clip(p, 1e-6, 1 - 1e-6))


def two(p: np.ndarray) -> np.ndarray:
    return np.stack([1 - p, p])


def resized(p: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    return F.interpolate(torch.from_numpy(p)[None, None], shape, mode="bilinear", antialias=True)[0, 0].numpy()


def letterboxed(p: np.ndarray) -> np.ndarray:
    """A map (64, 96) in the middle of a square of 96 pixels."""
    return np.pad(p, ((16, 16), (0, 0)))


def top_left(p: np.ndarray) -> np.ndarray:
    return np.pad(p, ((0, 32), (0, 0)))


def bottom_right(p: np.ndarray) -> np.ndarray:
    return np.pad(p, ((32, 0), (0, 0)))


def padded_only(p: np.ndarray) -> np.ndarray:
    """Sides of 64 and 96 pixels, padded on both sides to 96 and 128."""
    return np.pad(p, ((16, 16), (16, 16)))


def squared(p: np.ndarray) -> np.ndarray:
    return resized(p, (96, 96))


def noise(p: np.ndarray) -> np.ndarray:
    return np.random.default_rng(0).random(p.shape)


HONEST: dict[str, tuple[Callable[[np.ndarray], np.ndarray], dict[str, Any]]] = {
    "float32": (lambda p: p, {}),
    "float16": (lambda p: p.astype(np.float16), {}),
    "8 bits": (eight_bits, {}),
    "16 bits": (lambda p: np.rint(65535 * p).astype(np.uint16), {}),
    "logits": (logits, {"values": "logits"}),
    "background and foreground": (two, {}),
    "with an axis of depth": (lambda p: two(p)[:, None], {}),
    "with a batch axis": (lambda p: two(p)[None], {}),
    "channels last": (lambda p: np.moveaxis(two(p), 0, -1), {}),
    "logits of a softmax": (lambda p: np.stack([-logits(p) / 2, logits(p) / 2]), {"values": "logits"}),
    "of three channels": (lambda p: np.stack([1 - p, p * 0, p]), {"foreground": 2}),
    "probability of background": (lambda p: 1 - p, {"foreground": 0}),
    "stretched to a square": (squared, {}),
    "smaller": (lambda p: resized(p, (32, 48)), {}),
    "padded on both sides": (letterboxed, {"fit": "letterbox"}),
    "padded at the bottom": (top_left, {"fit": "top_left"}),
    "transposed": (np.transpose, {"orientation": "transposed"}),
    "turned": (lambda p: np.rot90(squared(p)), {"orientation": "rotated_90"}),
    "padded at the top": (bottom_right, {"fit": "bottom_right"}),
    "padded to a multiple of 64": (padded_only, {"fit": "unscaled_letterbox"}),
    "percent": (lambda p: 100 * p, {"scale": 100}),
    "signed bytes": (lambda p: np.rint(127 * p).astype(np.int8), {"scale": 127}),
    "big-endian": (lambda p: p.astype(">f4"), {}),
    "logarithms of a softmax": (lambda p: np.log(np.clip(two(p), 1e-6, 1)), {"values": "logits"}),
    "whole numbers to 255": (lambda p: eight_bits(p).astype(np.int64), {"scale": 255}),
    "a sigmoid of probabilities": (expit, {"values": "double_sigmoid"}),
    "badly calibrated": (lambda p: p**3, {}),
}


@pytest.mark.parametrize("name", HONEST)
def test_honest_maps_pass_without_a_word(check: Check, name: str, caplog: pytest.LogCaptureFixture) -> None:
    form, settings = HONEST[name]
    with caplog.at_level(logging.WARNING):
        check(form, **settings)
    assert not caplog.messages


MASKS = r"12 maps.* hold only the values {}, which makes them masks, not probabilities"
MISREAD: dict[str, tuple[Callable[[np.ndarray], np.ndarray], dict[str, Any], str]] = {
    "bytes of 0 and 1": (lambda p: (p > 0.5).astype(np.uint8), {}, MASKS.format("0 and 1")),
    "bytes of 0 and 255": (lambda p: 255 * (p > 0.5).astype(np.uint8), {}, MASKS.format("0 and 255")),
    "booleans": (lambda p: p > 0.5, {}, MASKS.format("0 and 1")),
    "floats of 0 and 1": (lambda p: (p > 0.5).astype(np.float32), {}, MASKS.format("0 and 1")),
    "an argmax": (lambda p: two(p).argmax(0), {}, MASKS.format("0 and 1")),
    "one-hot": (lambda p: (two(p) > 0.5).astype(np.float32), {}, MASKS.format("0 and 1")),
    "class ids": (lambda p: np.digitize(p, [0.3, 0.7]).astype(np.uint8), {}, MASKS.format("0, 1 and 2")),
    "background": (lambda p: 1 - p, {}, "far better if read as 1 - p.*Set `foreground: 0`"),
    "logits of background": (lambda p: -logits(p), {"values": "logits"}, "as 1 - p.*Set `foreground: 0`"),
    "background, key wrong": (lambda p: p, {"foreground": 0}, "as 1 - p.*Set `foreground: 1`"),
    "foreground first": (lambda p: two(p)[::-1], {}, "far better if read with `foreground: 0`.*Set `foreground: 0`"),
    "wrong channel of three": (lambda p: np.stack([p, 1 - p, p * 0]), {"foreground": 2}, "Set `foreground: 0`"),
    "exchanged axes": (np.transpose, {}, "rows and columns exchanged.*Set `orientation: transposed`"),
    "exchanged axes of a square": (lambda p: squared(p).T, {}, "Set `orientation: transposed`"),
    "mirrored": (lambda p: p[:, ::-1], {}, "flipped left to right.*Set `orientation: left_right`"),
    "upside down": (lambda p: p[::-1], {}, "Set `orientation: top_bottom`"),
    "turned": (lambda p: np.rot90(squared(p)), {}, "Set `orientation: rotated_90`"),
    "turned by 180 degrees": (lambda p: np.rot90(p, 2), {}, "Set `orientation: rotated_180`"),
    "padded on both sides": (letterboxed, {}, "far better if read with `fit: letterbox`.*Set `fit: letterbox`"),
    "padded at the bottom": (top_left, {}, "Set `fit: top_left`"),
    "padded otherwise": (letterboxed, {"fit": "top_left"}, "Set `fit: letterbox`"),
    "padded at the top": (bottom_right, {}, "Set `fit: bottom_right`"),
    "padded to a multiple of 64": (padded_only, {}, "Set `fit: unscaled_letterbox`"),
    "padded to a larger square": (lambda p: np.pad(p, ((0, 96), (0, 64))), {}, "Set `fit: unscaled_top_left`"),
    "the middle": (lambda p: p[:, 16:80], {}, "as maps of the square in the middle.*Write maps of the whole images"),
    "moved": (
        lambda p: np.roll(p, (6, 8), (0, 1)),
        {},
        "moved by (9|10) % up and [89] % to the left.*Correct how the program",
    ),
    "not padded": (squared, {"fit": "letterbox"}, "Set `fit: stretch`"),
    "another sigmoid": (expit, {}, "second sigmoid.*everything would be foreground.*`values: double_sigmoid`"),
    "another sigmoid, in 8 bits": (lambda p: eight_bits(expit(p)), {}, "`values: double_sigmoid`"),
    "another softmax": (lambda p: np.stack([expit(1 - 2 * p), expit(2 * p - 1)]), {}, "second softmax"),
    "a sigmoid missing": (logits, {}, "are no probabilities. Set `values: logits`"),
    "a sigmoid too many": (lambda p: p, {"values": "logits"}, "all lie between 0 and 1. Set `values: probabilities`"),
    "floats to 255": (lambda p: 255 * p, {}, r"values from .* to 25\d.* are no probabilities. Set `scale: 255`"),
    "whole numbers to 255": (lambda p: eight_bits(p).astype(np.int64), {}, "Set `scale: 255`"),
    "whole numbers to 65535": (lambda p: np.rint(65535 * p).astype(np.int32), {}, "Set `scale: 65535`"),
    "percent": (lambda p: 100 * p, {}, "Set `scale: 100` if they are percent"),
    "bytes of percent": (lambda p: np.rint(100 * p).astype(np.uint8), {}, "nothing anywhere.*set `scale: 100`"),
    "8 bits in 16": (lambda p: eight_bits(p).astype(np.uint16), {}, "nothing anywhere.*set `scale: 255`"),
    "divided by 255 twice": (lambda p: p / 255, {}, "nothing anywhere.*set `scale: 0.00392157`"),
    "bytes as logits": (lambda p: 255 * p, {"values": "logits"}, "`values: probabilities` and `scale: 255`"),
    "16 bits of 0 to 1000": (lambda p: np.rint(1000 * p).astype(np.uint16), {}, "set `scale: 1000`"),
    "signed bytes": (lambda p: np.rint(127 * p).astype(np.int8), {}, "Set `scale: 127`"),
    "floats to 1000": (lambda p: 1000 * p, {}, "Set `scale: 1000`"),
    "-1 to 1": (lambda p: 2 * np.round(p, 2) - 1, {}, r"Store \(x \+ 1\) / 2"),
    "-1 to 1 as logits": (
        lambda p: 2 * np.round(p, 2) - 1,
        {"values": "logits"},
        r"hardly logits.*Store \(x \+ 1\) / 2",
    ),
    "logarithms": (lambda p: np.log(np.clip(np.round(p, 2), 1e-6, 1)), {"values": "logits"}, "write the probabilities"),
    "nothing": (lambda p: 0 * p, {}, "every pixel has the value 0. Correct the model"),
    "one value": (lambda p: 0 * p + 0.25, {}, "every pixel has the value 0.25"),
    "low noise": (lambda p: 0.4 * noise(p), {}, "nothing anywhere .* and say nothing about the true masks"),
}


@pytest.mark.parametrize("name", MISREAD)
def test_maps_that_mean_another_thing_are_refused_with_the_setting(check: Check, name: str) -> None:
    form, settings, message = MISREAD[name]
    with pytest.raises(UserError, match=f"maps: {message}" if "hold only" in message else message):
        check(form, **settings)


@pytest.mark.parametrize("name", ["background", "exchanged axes of a square", "another sigmoid", "low noise"])
def test_check_warn_goes_on_and_check_skip_is_only_named_in_the_report(
    check: Check, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    form, settings, _ = MISREAD[name]
    with caplog.at_level(logging.WARNING):
        skipped = check(form, check="skip", **settings)
        assert not caplog.messages
        assert skipped == (["The base model's maps were not compared with the true masks (`check: skip`)."], False)
        check(form, check="warn", **settings)
    assert any("true masks" in text or "second sigmoid" in text for text in caplog.messages)


def test_the_setting_that_an_error_names_makes_the_maps_pass(check: Check, caplog: pytest.LogCaptureFixture) -> None:
    for form, setting in (
        (MISREAD["background"][0], {"foreground": 0}),
        (MISREAD["mirrored"][0], {"orientation": "left_right"}),
        (MISREAD["padded at the bottom"][0], {"fit": "top_left"}),
        (MISREAD["8 bits in 16"][0], {"scale": 255}),
        (MISREAD["divided by 255 twice"][0], {"scale": 0.00392157}),
        (MISREAD["another sigmoid, in 8 bits"][0], {"values": "double_sigmoid"}),
    ):
        with pytest.raises(UserError):
            check(form)
        check(form, **setting)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_maps_that_never_exceed_a_half_are_named_but_kept(check: Check, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert not check(lambda p: 0.45 * p).doubted, "a threshold explains it, and no mistake"
    assert len(caplog.messages) == 1
    assert "predict nothing anywhere (the highest probability is 0.4" in caplog.messages[0]
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        check(lambda p: 0.55 + 0.4 * p)
    assert "predict foreground everywhere (the lowest probability is 0.55" in caplog.messages[0]


def test_maps_that_are_moved_by_little_are_named_but_kept(check: Check, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        (sentence,), doubted = check(lambda p: np.roll(p, 1, 1))
    assert doubted
    assert sentence.startswith("set/maps: 12 maps"), "scores leave this machine"
    assert len(caplog.messages) == 1
    assert "better if read moved by 1 % to the left" in caplog.messages[0]


def test_maps_that_say_nothing_about_the_truth_are_refused(check: Check, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(UserError, match=r"fit the masks of other images .*\(`check: warn` of the base model goes on"):
        check(noise)
    with caplog.at_level(logging.WARNING):
        check(noise, check="warn")
    assert len(caplog.messages) == 2
    assert "fit the masks of other images as well as those of their own" in caplog.messages[0]
    assert "say nothing about the true masks" in caplog.messages[1]
    assert all("each map belongs to the image of its name" in text for text in caplog.messages)


@pytest.mark.parametrize("step", [1, -1, 2])
def test_maps_under_the_name_of_another_image_are_refused_with_an_example(
    check: Check, scenes: Scenes, step: int
) -> None:
    names = iter(scenes.probabilities)
    found = dict(
        zip(scenes.probabilities, np.roll(np.array(list(scenes.probabilities.values())), step, 0), strict=True)
    )
    with pytest.raises(
        UserError, match=r"the map of scene-\d+ lies under the name of scene-\d+.*name of its own image"
    ) as caught:
        check(lambda _: found[next(names)])
    one, other = (int(number) for number in re.findall(r"scene-(\d+)", str(caught.value)))
    assert other - one == step


def test_maps_in_any_other_order_are_named(check: Check, scenes: Scenes, caplog: pytest.LogCaptureFixture) -> None:
    order = np.random.default_rng(1).permutation(len(scenes.probabilities))
    maps = iter(np.array(list(scenes.probabilities.values()))[order])
    with pytest.raises(UserError, match="fit the masks of other images as well as those of their own"):
        check(lambda _: next(maps))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda p: 1 - p, "as 1 - p, the probability of background"),
        (lambda p: np.ascontiguousarray(p.T), "with rows and columns exchanged"),
        (lambda p: p[:, ::-1], "flipped left to right"),
    ],
)
@pytest.mark.parametrize("every", [2, 4])
def test_some_maps_of_another_kind_are_refused_by_name(check: Check, change: Any, words: str, every: int) -> None:
    count = iter(range(100))
    with pytest.raises(UserError, match=rf"\(scene-\d\d, .*\) fit the true masks far better if read {words}") as caught:
        check(lambda p: p if next(count) % every else change(p))
    named = re.findall(r"scene-(\d\d)", str(caught.value).split(")")[0])
    assert len(named) >= 2
    assert all(int(number) % every == 0 for number in named)


def test_maps_that_hold_two_values_among_others_are_a_warning(check: Check, caplog: pytest.LogCaptureFixture) -> None:
    count = iter(range(100))
    with caplog.at_level(logging.WARNING):
        check(lambda p: p if next(count) % 4 else (p > 0.5).astype(np.float32))
    assert re.search("[34] of them hold only two values, as masks do, but the others more", caplog.text)


def test_maps_of_another_size_than_the_others_are_a_warning(check: Check, caplog: pytest.LogCaptureFixture) -> None:
    count = iter(range(100))
    with caplog.at_level(logging.WARNING):
        check(lambda p: p if next(count) % 4 else np.pad(p, ((4, 4), (6, 6))))
    assert re.search("[89] of them have the size of their image, [34] have not", caplog.text)


def test_some_empty_maps_are_counted(check: Check, caplog: pytest.LogCaptureFixture) -> None:
    count = iter(range(100))
    with caplog.at_level(logging.WARNING):
        check(lambda p: p * (next(count) % 2))
    assert len(caplog.messages) == 1
    assert "8 of them have the same value at every pixel" in caplog.messages[0]


def test_maps_of_two_scales_are_counted(check: Check) -> None:
    count = iter(range(100))
    with pytest.raises(UserError, match=r"Set `scale: 255`.* But 4 of these maps stay within 0 .. 1"):
        check(lambda p: p if next(count) % 2 else 255 * p)


@pytest.mark.parametrize("share", [0.37, 0.38, 0.45, 0.5])
def test_bytes_that_never_exceed_a_half_are_kept(check: Check, share: float, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        check(lambda p: np.rint(share * 255 * p / p.max()).astype(np.uint8))
    assert re.search("predict (almost )?nothing", caplog.messages[0])


def test_one_black_map_of_bytes_among_many_is_no_mask(check: Check, caplog: pytest.LogCaptureFixture) -> None:
    count = iter(range(100))
    with caplog.at_level(logging.WARNING):
        check(lambda p: eight_bits(p) * (next(count) > 0))
    assert not caplog.messages


@pytest.mark.parametrize("orientation", ["transposed", "left_right", "rotated_90", "rotated_180"])
def test_an_orientation_that_maps_do_not_have_is_refused(check: Check, orientation: str) -> None:
    with pytest.raises(UserError, match=r"as they are stored, upright: .*Set `orientation: upright`"):
        check(squared, orientation=orientation)


def test_an_orientation_that_is_another_one_is_refused_with_the_right_one(check: Check) -> None:
    with pytest.raises(UserError, match="Set `orientation: rotated_90`"):
        check(lambda p: np.rot90(squared(p)), orientation="rotated_270")


def test_logits_without_a_sure_pixel_are_not_taken_for_probabilities(check: Check) -> None:
    count = iter(range(100))
    with pytest.raises(UserError, match=r"are no probabilities. Set `values: logits`") as caught:
        check(lambda p: logits(p) if next(count) else np.minimum(logits(p), 0.9))
    assert "stay within 0 .. 1" not in str(caught.value)
