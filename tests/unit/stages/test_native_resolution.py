"""At native resolution maps are judged against the masks as they were delivered."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from prn_pipeline.data.ingestion import inspect
from prn_pipeline.data.readers.factory import make_reader
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.errors import UserError
from prn_pipeline.stages.evaluation.map_pairs import MapPair, Resize
from prn_pipeline.stages.evaluation.native_resolution import native_resolution

#: Pixel values of the mask files: three classes, 200 is unlabelled.
VALUES = np.array([0, 1, 2, 200])
SIZE = 32


def native_shape(image: int) -> tuple[int, int]:
    return (40 + image, 30)


def write_set(root: Path, values: np.ndarray) -> dict[str, np.ndarray]:
    """Nine images of different sizes with random masks; returns the masks by sample id."""
    rng = np.random.default_rng(0)
    masks = {}
    for kind in ("images", "masks"):
        (root / "set" / kind).mkdir(parents=True)
    for image in range(9):
        masks[str(image)] = rng.choice(values, native_shape(image)).astype(np.uint8)
        pixels = rng.integers(0, 256, (*native_shape(image), 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / "set" / "images" / f"{image}.png")
        Image.fromarray(masks[str(image)]).save(root / "set" / "masks" / f"{image}.png")
    return masks


def resizer(root: Path, settings: DatasetSettings, classes: int = 1) -> tuple[Resize, list[str]]:
    """The function under test and the sample of each row; with several classes there is one row per class."""
    manifest = inspect("set", settings, make_reader("set", settings, root))
    if classes > 1:
        manifest = manifest.loc[manifest.index.repeat(classes)].reset_index(drop=True)
        manifest["class_id"] = np.arange(len(manifest)) % classes
    return native_resolution("set", settings, root, manifest), manifest["sample_id"].tolist()


def some_pair(tta: bool = False) -> MapPair:
    maps = np.random.default_rng(1).normal(size=(3, SIZE, SIZE)).astype(np.float32)
    return MapPair({"base": maps[0]} | ({"tta": maps[2]} if tta else {}), maps[1], np.zeros((SIZE, SIZE), np.uint8))


def bilinear(logits: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """By SciPy: pixel centres of the result, in pixels of the input; beyond the last centre its value is repeated."""
    rows, columns = ((np.arange(after) + 0.5) * SIZE / after - 0.5 for after in shape)
    places = np.meshgrid(rows, columns, indexing="ij")
    return ndimage.map_coordinates(logits.astype(np.float64), places, order=1, mode="nearest")


def test_each_class_is_judged_on_the_pixels_of_its_own_class(tmp_path: Path) -> None:
    masks = write_set(tmp_path, VALUES)
    settings = DatasetSettings.model_validate(
        {"task": "multiclass", "classes": list("abc"), "image_size": SIZE, "folds": 2, "mask": {"ignore_values": [200]}}
    )
    resize, ids = resizer(tmp_path, settings, classes=3)
    assert len(ids) == 27
    for row, name in enumerate(ids):
        found, file = resize(row, some_pair()).mask, masks[name]
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found == 1, file == row % 3)
        np.testing.assert_array_equal(found == 255, file == 200)
        np.testing.assert_array_equal(found == 0, (file != row % 3) & (file != 200))


@pytest.mark.parametrize("tta", [False, True])
def test_all_maps_are_stretched_to_the_size_of_the_mask_file(tmp_path: Path, tta: bool) -> None:
    masks = write_set(tmp_path, np.array([0, 255]))
    resize, ids = resizer(tmp_path, DatasetSettings(image_size=SIZE, folds=2))
    pair = some_pair(tta)
    found = resize(4, pair)
    shape = masks[ids[4]].shape
    np.testing.assert_array_equal(found.mask, masks[ids[4]] // 255)
    np.testing.assert_allclose(found.refined, bilinear(pair.refined, shape), atol=1e-5)
    assert list(found.maps) == list(pair.maps)
    for name, logits in pair.maps.items():
        np.testing.assert_allclose(found.maps[name], bilinear(logits, shape), atol=1e-5)


@pytest.mark.parametrize("change", ["resized", "removed"])
def test_a_sample_that_has_changed_since_ingestion_is_named(tmp_path: Path, change: str) -> None:
    write_set(tmp_path, np.array([0, 255]))
    settings = DatasetSettings(image_size=SIZE, folds=2)
    manifest = inspect("set", settings, make_reader("set", settings, tmp_path))
    if change == "resized":
        Image.fromarray(np.zeros((44, 31), np.uint8)).save(tmp_path / "set" / "masks" / "4.png")
    else:
        for kind in ("images", "masks"):
            (tmp_path / "set" / kind / "4.png").unlink()
    resize = native_resolution("set", settings, tmp_path, manifest)
    row = manifest["sample_id"].tolist().index("4")
    with pytest.raises(UserError, match="set: sample 4 has changed since ingestion: run the pipeline ingestion again"):
        resize(row, some_pair())
