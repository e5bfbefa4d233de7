"""Maps of other programs give the same logits in every file format."""

from pathlib import Path

import numpy as np
import pytest
import zarr
from PIL import Image
from scipy.special import expit

from prn_pipeline.data.readers.map_decoding import decode_map
from prn_pipeline.data.readers.map_reading import MapReading
from prn_pipeline.errors import UserError

RNG = np.random.default_rng(0)
PROBABILITIES = RNG.random((40, 60)).astype(np.float32)


def write(path: Path, values: np.ndarray) -> Path:
    if path.suffix == ".npy":
        np.save(path, values)
    elif path.suffix == ".npz":
        np.savez_compressed(path, anything=values)
    elif path.suffix == ".zarr":
        zarr.save_array(path, values)
    else:
        Image.fromarray(values).save(path)
    return path


def test_every_file_format_gives_the_stored_probabilities(tmp_path: Path) -> None:
    eight, sixteen = (
        np.rint(PROBABILITIES * most).astype(kind) for most, kind in ((255, np.uint8), (65535, np.uint16))
    )
    for name, values, tolerance in (
        ("a.npy", PROBABILITIES, 1e-6),
        ("b.npz", PROBABILITIES.astype(np.float16), 1e-3),
        ("c.zarr", PROBABILITIES, 1e-6),
        ("d.tif", PROBABILITIES, 1e-6),
        ("e.png", eight, 0.5 / 255),
        ("f.png", sixteen, 0.5 / 65535 + 1e-6),
        ("g.tiff", sixteen, 0.5 / 65535 + 1e-6),
        ("h.npy", PROBABILITIES[None], 1e-6),
        ("i.npy", PROBABILITIES[..., None], 1e-6),
        ("j.npy", PROBABILITIES.astype(np.float64), 1e-6),
    ):
        logits = decode_map(write(tmp_path / name, values), None, MapReading())
        assert (logits.dtype, logits.shape) == (np.float32, (40, 60)), name
        assert np.abs(expit(logits) - PROBABILITIES).max() <= tolerance + 1e-6, name


def test_logits_are_not_changed(tmp_path: Path) -> None:
    logits = RNG.normal(0, 6, (8, 9)).astype(np.float32)
    assert np.array_equal(decode_map(write(tmp_path / "a.npy", logits), None, MapReading(values="logits")), logits)


def test_probabilities_of_zero_and_one_give_finite_logits_of_the_right_sign(tmp_path: Path) -> None:
    for name, sure in (
        ("a.npy", np.array([[0.0, 1.0]])),
        ("b.png", np.array([[0, 255]], np.uint8)),
        ("c.npy", np.array([[False, True]])),
    ):
        logits = decode_map(write(tmp_path / name, sure), None, MapReading())
        assert np.isfinite(logits).all(), name
        assert logits[0, 0] < -5 < 5 < logits[0, 1], name


@pytest.mark.parametrize(
    ("name", "values", "kind", "message"),
    [
        ("a.npy", np.array([[-3.0, 4.0]]), "probabilities", r"from -3 to 4 .*Set `values: logits`"),
        ("a.npy", np.array([[0.1, np.nan]]), "probabilities", "NaN"),
        ("a.npy", np.array([[0.1, np.inf]]), "logits", "infinite"),
        ("a.png", np.array([[0, 255]], np.uint8), "logits", "cannot be logits"),
        ("a.npy", np.zeros((3, 4, 5)), "probabilities", r"shape \(3, 4, 5\), expected \(height, width\)"),
        ("a.npy", np.zeros((0, 5)), "probabilities", r"shape \(0, 5\)"),
        ("a.npy", np.array([["x"]]), "probabilities", "values of type <U1"),
        (
            "a.png",
            np.arange(48, dtype=np.uint8).reshape(4, 4, 3),
            "probabilities",
            r"shape .*, expected \(height, width\)",
        ),
    ],
)
def test_arrays_that_are_not_maps_are_refused(
    tmp_path: Path, name: str, values: np.ndarray, kind: str, message: str
) -> None:
    path = write(tmp_path / name, values)
    with pytest.raises(UserError, match=message) as caught:
        decode_map(path, None, MapReading(values=kind))  # type: ignore[arg-type]
    assert str(path) in str(caught.value)


def test_damaged_files_and_pickles_are_refused(tmp_path: Path) -> None:
    (tmp_path / "cut.png").write_bytes(
        write(tmp_path / "whole.png", (PROBABILITIES * 255).astype(np.uint8)).read_bytes()[:90]
    )
    (tmp_path / "empty.npy").touch()
    np.save(tmp_path / "objects.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "two.npz", a=PROBABILITIES, b=PROBABILITIES)
    for name in ("cut.png", "empty.npy", "objects.npy", "missing.npy"):
        with pytest.raises(UserError, match="cannot be read"):
            decode_map(tmp_path / name, None, MapReading())
    with pytest.raises(UserError, match=r"2 arrays \(a, b\), expected one"):
        decode_map(tmp_path / "two.npz", None, MapReading())
