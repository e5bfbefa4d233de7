"""Maps of another program can replace those of a base model."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, softmax

from prn_pipeline.data.readers.map_folder import MapFolder
from prn_pipeline.data.readers.map_reading import MapReading
from prn_pipeline.data.store.array_store import ArrayStore, ArrayStream, write_arrays
from prn_pipeline.data.store.class_maps import CLASSES, map_samples
from prn_pipeline.data.store.map_manifest import NO_MAP, learning_rows, seen_rows
from prn_pipeline.data.store.sample_store import IDENTITY, Samples
from prn_pipeline.errors import UserError
from prn_pipeline.segmentation.map_import import assign_maps, imported_maps
from prn_pipeline.stages.pseudo_labelling import pseudo_label_batches


def write_maps(samples: Samples, folder: Path, splits: list[str], size: int = 64) -> MapFolder:
    folder.mkdir(exist_ok=True)
    for row in samples.rows(splits):
        logits = samples.array("logits", [row])[0].astype(np.float32)
        np.save(
            folder / f"{samples.manifest['sample_id'][row]}.npy", np.kron(logits, np.ones((size // 64, size // 64)))
        )
    return MapFolder(folder.parent, folder.name, None, MapReading(values="logits"))


@pytest.mark.parametrize("size", [64, 128])
def test_imported_maps_are_the_written_logits(bright_squares: Samples, tmp_path: Path, size: int) -> None:
    maps = write_maps(bright_squares, tmp_path / "maps", ["train", "val", "test"], size)
    manifest = assign_maps(bright_squares.manifest, maps, ["train"])
    made = np.concatenate([batch["logits"] for batch in imported_maps(bright_squares, manifest, maps)])
    expected = bright_squares.array("logits", slice(None))  # type: ignore[arg-type]
    if size == 64:
        assert made.dtype == np.float16
        assert np.array_equal(made, expected)
    else:  # downsampling mixes pixels at the borders of the enlarged ones
        assert np.abs(made.astype(float) - expected).mean() < 0.3


def test_images_that_the_model_has_seen_may_lack_maps_and_are_not_learned_from(
    bright_squares: Samples, tmp_path: Path
) -> None:
    maps = write_maps(bright_squares, tmp_path / "maps", ["val", "test"])
    manifest = assign_maps(bright_squares.manifest, maps, ["train"])
    train = bright_squares.rows(["train"])
    assert set(manifest["model"].iloc[train]) == {NO_MAP}
    assert set(learning_rows(manifest)) == set(bright_squares.rows(["val"]))
    assert not len(seen_rows(manifest))
    labels = np.concatenate([batch["labels"] for batch in pseudo_label_batches(bright_squares, manifest, 16, 20)])
    assert (labels[train] == 255).all()
    assert (labels[bright_squares.rows(["val"])] != 255).all()


def test_the_refiner_learns_from_train_too_if_the_model_has_not_seen_it(
    bright_squares: Samples, tmp_path: Path
) -> None:
    maps = write_maps(bright_squares, tmp_path / "maps", ["train", "val", "test"])
    manifest = assign_maps(bright_squares.manifest, maps, [])
    assert set(learning_rows(manifest)) == set(bright_squares.rows(["train", "val"]))


def test_the_error_for_missing_maps_names_the_samples(bright_squares: Samples, tmp_path: Path) -> None:
    maps = write_maps(bright_squares, tmp_path / "maps", ["val"])
    with pytest.raises(UserError, match=r"6 of 6 samples in test have no map: square-03, .*The folder has 6 maps"):
        assign_maps(bright_squares.manifest, maps, ["train"])


@pytest.mark.parametrize("values", ["probabilities", "logits"])
def test_maps_of_several_classes_become_one_vs_rest_logits(tmp_path: Path, values: str) -> None:
    rng = np.random.default_rng(0)
    attributes = {IDENTITY: "four", CLASSES: 3}
    manifest = pd.DataFrame({"sample_id": list("abcd"), "split": ["train", "val", "val", "test"], "fold": 0})
    manifest = manifest.assign(native_height=16, native_width=16)
    manifest.attrs[IDENTITY] = "four"
    empty = {"images": np.zeros((4, 16, 16, 3), np.uint8), "masks": np.zeros((4, 16, 16), np.uint8)}
    write_arrays(tmp_path / "s.zarr", ArrayStream([empty], attributes))
    stores = {"samples": ArrayStore(tmp_path / "s.zarr")}
    softmaxed = rng.normal(0, 2, (4, 3, 16, 16))
    (tmp_path / "maps").mkdir()
    for name, logits in zip("abcd", softmaxed, strict=True):
        stored = logits if values == "logits" else np.moveaxis(softmax(logits, 0), 0, 2)
        np.save(tmp_path / "maps" / f"{name}.npy", stored)
    folder = MapFolder(tmp_path, "maps", None, MapReading(values=values))  # type: ignore[arg-type]
    maps = assign_maps(map_samples(manifest, stores).manifest, folder, ["train"])
    assert len(maps) == 12
    made = np.concatenate([batch["logits"] for batch in imported_maps(Samples(manifest, stores), maps, folder)])
    assert expit(made.astype(float)).reshape(4, 3, 16, 16) == pytest.approx(softmax(softmaxed, 1), abs=2e-3)
    np.save(tmp_path / "maps" / "b.npy", np.zeros((16, 16)))
    with pytest.raises(UserError, match=r"shape \(16, 16\), expected \(3, height, width\)"):
        list(imported_maps(Samples(manifest, stores), maps, folder))


def test_one_error_lists_all_invalid_maps(bright_squares: Samples, tmp_path: Path) -> None:
    maps = write_maps(bright_squares, tmp_path / "maps", ["val", "test"])
    np.save(tmp_path / "maps" / "square-02.npy", np.full((64, 64), np.nan))
    (tmp_path / "maps" / "square-23.npy").write_text("no map")
    manifest = assign_maps(bright_squares.manifest, maps, ["train"])
    with pytest.raises(UserError, match=r"(?s)maps are invalid.*square-02\.npy: NaN.*square-23\.npy: cannot be read"):
        list(imported_maps(bright_squares, manifest, maps))
