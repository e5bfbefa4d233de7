"""Arrays of every common shape are read, and settings say what channels, scales and pixels mean."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.special import expit, logit

from prn_pipeline.data.readers.map_decoding import decode_array
from prn_pipeline.data.readers.map_folder import MapFolder
from prn_pipeline.data.readers.map_geometry import turned, unpadded
from prn_pipeline.data.readers.map_reading import MapReading
from prn_pipeline.errors import UserError

RNG = np.random.default_rng(0)
P = RNG.random((12, 20)).astype(np.float32)
TWO = np.stack([1 - P, P])
LOGITS = RNG.normal(0, 3, (3, 12, 20))


def decoded(stored: np.ndarray, classes: int = 1, **settings: Any) -> np.ndarray:
    return expit(decode_array(stored, MapReading(**settings), classes, "a.npy"))


@pytest.mark.parametrize(
    "stored",
    [TWO, TWO[:, None], TWO[None], np.moveaxis(TWO, 0, -1), np.moveaxis(TWO, 0, -1)[None], TWO[None, :, None]],
    ids=lambda stored: str(stored.shape),
)
def test_two_channels_are_background_and_foreground(stored: np.ndarray) -> None:
    assert decoded(stored) == pytest.approx(P, abs=1e-6)
    assert decoded(stored, foreground=0) == pytest.approx(1 - P, abs=1e-6)


@pytest.mark.parametrize("stored", [P, P[None], P[..., None], P[None, None]], ids=lambda stored: str(stored.shape))
def test_one_channel_is_foreground_unless_it_is_channel_0(stored: np.ndarray) -> None:
    assert decoded(stored) == pytest.approx(P, abs=1e-6)
    assert decoded(stored, foreground=1) == pytest.approx(P, abs=1e-6)
    assert decoded(stored, foreground=0) == pytest.approx(1 - P, abs=1e-6)


def test_logits_of_several_channels_are_those_of_a_softmax() -> None:
    exponentials = np.exp(LOGITS)
    softmax = exponentials / exponentials.sum(0)
    for channel in range(3):
        assert decoded(LOGITS, values="logits", foreground=channel) == pytest.approx(softmax[channel], abs=1e-5)
    two = np.exp(LOGITS[1]) / np.exp(LOGITS[:2]).sum(0)
    assert decoded(LOGITS[:2], values="logits") == pytest.approx(two, abs=1e-5)


def test_a_grey_picture_stored_in_colours_has_one_channel() -> None:
    grey = np.rint(255 * P).astype(np.uint8)
    colours = np.repeat(grey[..., None], 3, 2)
    assert decoded(colours) == pytest.approx(P, abs=0.01)
    assert decoded(np.dstack([colours, np.full_like(grey, 255)])) == pytest.approx(P, abs=0.01)


def test_a_heat_map_in_colours_is_no_map() -> None:
    heat = np.rint(255 * np.dstack([P, 1 - abs(2 * P - 1), 1 - P])).astype(np.uint8)
    with pytest.raises(UserError, match=r"colours are no probabilities. If one of the 3 channels .* set `foreground`"):
        decoded(heat)
    with pytest.raises(UserError) as caught:
        decoded(heat / 255)
    assert "colours" not in str(caught.value)


@pytest.mark.parametrize(
    ("stored", "settings", "message"),
    [
        (LOGITS, {"values": "logits"}, "set `foreground` to its number, 0 to 2"),
        (TWO, {"foreground": 2}, "2 channels, but `foreground: 2`"),
        (P, {"foreground": 2}, "one channel, but `foreground: 2`"),
        (P, {"class_channels": [1, 0]}, "set `foreground` instead"),
        (P * 255, {}, "Set `scale: 255`"),
        (np.rint(P * 255).astype(np.int64), {}, "Set `scale: 255`"),
        (P * 65535, {}, "Set `scale: 65535`"),
        (P * 100, {}, "`scale: 100` if they are percent"),
        (P * 255, {"scale": 100}, "divided by `scale: 100` are not probabilities"),
        (P - 0.5, {}, "Set `values: logits`"),
        (P, {"values": "double_sigmoid"}, "Set `values: probabilities`"),
    ],
)
def test_errors_name_the_setting(stored: np.ndarray, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=rf"^a\.npy: .*{message}"):
        decoded(stored, **settings)


def test_a_scale_is_for_probabilities() -> None:
    with pytest.raises(ValidationError, match="logits have no scale"):
        MapReading(values="logits", scale=255)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int16, np.int64, np.float32, np.float64])
@pytest.mark.parametrize("scale", [100, 255])
def test_every_type_is_divided_by_the_scale(kind: type, scale: int) -> None:
    assert decoded(np.rint(P * scale).astype(kind), scale=scale) == pytest.approx(P, abs=0.6 / scale)


def test_a_double_sigmoid_is_undone() -> None:
    assert decoded(expit(P), values="double_sigmoid") == pytest.approx(P, abs=1e-5)
    eight = np.rint(255 * expit(P)).astype(np.uint8)
    assert decoded(eight, values="double_sigmoid") == pytest.approx(P, abs=0.02)


def test_channels_of_classes_are_chosen_by_number() -> None:
    stored = RNG.random((4, 12, 20))
    assert decoded(stored, 3, class_channels=[3, 0, 1]) == pytest.approx(stored[[3, 0, 1]], abs=1e-5)
    assert decoded(np.moveaxis(stored, 0, 2), 3, class_channels=[3, 0, 1]) == pytest.approx(stored[[3, 0, 1]], abs=1e-5)
    assert decoded(stored[:, None], 4) == pytest.approx(stored, abs=1e-5)
    for channels in ([0, 1], [0, 1, 4]):
        with pytest.raises(UserError, match="class"):
            decoded(stored, 3, class_channels=channels)


@given(st.integers(1, 7), st.integers(1, 7))
def test_every_orientation_is_undone(height: int, width: int) -> None:
    upright = np.arange(height * width).reshape(height, width)
    made = {
        "upright": upright,
        "transposed": upright.T,
        "left_right": np.fliplr(upright),
        "top_bottom": np.flipud(upright),
        "rotated_90": np.rot90(upright),
        "rotated_180": np.rot90(upright, 2),
        "rotated_270": np.rot90(upright, 3),
        "antitransposed": np.rot90(upright, 2).T,
    }
    for orientation, turned_map in made.items():
        assert np.array_equal(turned(turned_map, orientation), upright), orientation  # type: ignore[arg-type]


@given(st.integers(8, 60), st.integers(8, 60), st.integers(20, 80), st.integers(20, 80))
def test_the_padding_is_all_that_is_removed(height: int, width: int, rows: int, columns: int) -> None:
    factor = min(rows / height, columns / width)
    inside = (max(1, round(height * factor)), max(1, round(width * factor)))
    for fit, before in (("letterbox", [(rows - inside[0]) // 2, (columns - inside[1]) // 2]), ("top_left", [0, 0])):
        padded = np.zeros((rows, columns))
        padded[before[0] : before[0] + inside[0], before[1] : before[1] + inside[1]] = 1
        found = unpadded(padded, (height, width), fit)  # type: ignore[arg-type]
        assert found.shape == inside
        assert found.all()


def test_a_folder_of_nnunet_has_its_probabilities_and_not_its_segmentations(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "maps").mkdir()
    for name in ("a", "b"):
        np.savez(tmp_path / "maps" / f"{name}.npz", probabilities=TWO[:, None])
        (tmp_path / "maps" / f"{name}.pkl").write_bytes(b"properties")
        (tmp_path / "maps" / f"{name}.png").write_bytes(b"segmentation")
    (tmp_path / "maps" / "plans.json").write_text("{}")
    with caplog.at_level(logging.INFO):
        folder = MapFolder(tmp_path, "maps", None, MapReading())
    assert len(folder) == 2
    assert expit(folder.logits("a", (12, 20))) == pytest.approx(P, abs=1e-6)
    assert [text for text in caplog.messages if "left out 2 segmentations" in text] == caplog.messages


def test_other_pairs_of_maps_are_refused_with_a_pattern(tmp_path: Path) -> None:
    (tmp_path / "maps").mkdir()
    np.savez(tmp_path / "maps" / "a.npz", anything=P)
    (tmp_path / "maps" / "a.png").write_bytes(b"a picture")
    with pytest.raises(
        UserError, match=r"1 samples have more than one map: a\.npz and a\.png.*`folder: 'maps/\*\.npz'`"
    ):
        MapFolder(tmp_path, "maps", None, MapReading())
    assert len(MapFolder(tmp_path, "maps/*.npz", None, MapReading())) == 1


def test_a_padded_map_of_any_shape_is_read_without_its_padding(tmp_path: Path) -> None:
    (tmp_path / "maps").mkdir()
    np.save(tmp_path / "maps" / "a.npy", np.pad(P, ((8, 8), (0, 0)), constant_values=0.9))
    with pytest.raises(UserError, match=r"`orientation: transposed`; if the map is padded, set `fit: letterbox`"):
        MapFolder(tmp_path, "maps", None, MapReading(orientation="transposed")).logits("a", (12, 20))
    found = MapFolder(tmp_path, "maps", None, MapReading(fit="letterbox")).logits("a", (12, 20))
    assert found == pytest.approx(logit(P), abs=1e-4)


def test_the_digest_of_a_folder_changes_with_the_reading(tmp_path: Path) -> None:
    (tmp_path / "maps").mkdir()
    np.save(tmp_path / "maps" / "a.npy", P)
    readings = [MapReading(), MapReading(foreground=0), MapReading(scale=1), MapReading(fit="letterbox")]
    digests = {MapFolder(tmp_path, "maps", None, reading).digest(["a"]) for reading in readings}
    assert len(digests) == len(readings)
