"""Padding of letterboxed samples counts in no score: results are those of the images without it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from prn_pipeline.comparison import table
from prn_pipeline.comparison.method import MapBatch, Tuned
from prn_pipeline.data.canvas import LETTERBOXED, Canvas
from prn_pipeline.data.ingestion import inspect
from prn_pipeline.data.readers.factory import make_reader
from prn_pipeline.data.readers.map_folder import MapFolder
from prn_pipeline.data.readers.map_reading import MapReading
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.data.store.array_store import ArrayStore, ArrayStream, write_arrays
from prn_pipeline.data.store.sample_store import IDENTITY, Samples
from prn_pipeline.metrics.counts import COLUMNS, count_image
from prn_pipeline.metrics.descriptions import describe
from prn_pipeline.metrics.map_quality.statistics import quality_statistics
from prn_pipeline.segmentation.map_checks.sampling import reduced_truth
from prn_pipeline.segmentation.map_import import assign_maps, imported_maps
from prn_pipeline.stages.evaluation.free_maps import learning_batches
from prn_pipeline.stages.evaluation.map_pairs import stream_batches
from prn_pipeline.stages.evaluation.measuring import measure
from prn_pipeline.stages.evaluation.native_resolution import native_resolution
from prn_pipeline.stages.evaluation.task_metrics import task_metrics
from prn_pipeline.stages.evaluation.tuning import tune
from prn_pipeline.stages.reporting import gallery, map_statistics

CANVAS = Canvas(32, 48, True)
NATIVE = [(32, 16), (32, 16), (16, 48), (40, 60), (32, 31), (90, 30), (32, 16), (16, 24)]
THRESHOLDS = Tuned({"base": [0.4]}, 8)


def made(folder: Path, splits: list[str], garbage: float) -> tuple[Samples, ArrayStore]:
    """Letterboxed samples with random maps, whose padding holds the logit `garbage`, and their refined maps."""
    rng = np.random.default_rng(0)
    n = len(NATIVE)
    manifest = pd.DataFrame(
        {"sample_id": [f"s{i}" for i in range(n)], "split": splits, "fold": 0, "group": [f"s{i}" for i in range(n)]}
    )
    manifest[["native_height", "native_width"]] = NATIVE
    manifest.attrs = {IDENTITY: "eight", LETTERBOXED: True}
    masks = np.full((n, *CANVAS.shape), 255, np.uint8)
    maps = np.full((2, n, *CANVAS.shape), garbage, np.float16)
    for row, native in enumerate(NATIVE):
        region = CANVAS.region(native)
        region.of(masks[row])[...] = rng.integers(0, 2, region.shape)
        region.of(maps[:, row])[...] = rng.normal(0, 2, (2, *region.shape))
    images = rng.integers(0, 256, (n, *CANVAS.shape, 3), dtype=np.uint8)
    place = folder / f"{garbage:g}"
    write_arrays(place / "s.zarr", ArrayStream([{"images": images, "masks": masks}], {IDENTITY: "eight"}))
    write_arrays(place / "l.zarr", ArrayStream([{"logits": maps[0]}], {IDENTITY: "eight"}))
    samples = Samples(manifest, {"samples": ArrayStore(place / "s.zarr"), "maps": ArrayStore(place / "l.zarr")})
    write_arrays(place / "r.zarr", ArrayStream([{"logits": maps[1][samples.rows(["test"])]}], {IDENTITY: "eight"}))
    return samples, ArrayStore(place / "r.zarr")


def test_every_methods_counts_are_those_of_the_unpadded_maps(tmp_path: Path) -> None:
    samples, refined = made(tmp_path, ["test"] * len(NATIVE), 9.0)
    measured = measure(samples, refined, samples.rows(["test"]), THRESHOLDS, task_metrics=task_metrics("saliency"))
    masks, base = samples.array("masks", slice(None)), samples.array("logits", slice(None))  # type: ignore[arg-type]
    after = refined.read("logits", slice(None))
    assert measured["row"].nunique() == len(NATIVE)
    for row, native in enumerate(NATIVE):
        region = CANVAS.region(native)
        alone = [region.of(one)[row : row + 1].astype(np.float32) for one in (base, after)]
        truth = region.of(masks)[row]
        for method, prediction in table.predictions(MapBatch(*alone, truth[None]), THRESHOLDS).items():
            found = measured[(measured["row"] == row) & (measured["method"] == method)]
            assert found[list(COLUMNS)].to_numpy().tolist() == [list(count_image(prediction.masks[0], truth))], method


def test_no_number_changes_with_what_the_padding_holds(tmp_path: Path) -> None:
    results = []
    for garbage in (-12.0, 0.01, 12.0):
        splits = ["val"] * 4 + ["test"] * 4
        samples, refined = made(tmp_path, splits, garbage)
        maps = samples.manifest.assign(seen_in_training=False, model="base")
        metrics = task_metrics("saliency")
        tuned = tune(samples, maps, 8)
        measured = measure(samples, refined, samples.rows(["test"]), tuned, task_metrics=metrics)
        of_maps = map_statistics(samples, refined, 8)["refined"]
        assert of_maps.patch_bias.shape == (4, 6)
        results.append((tuned, measured, metrics[0].scores(20, 0), of_maps.patch_bias, of_maps.errors))
    for other in results[1:]:
        assert other[0] == results[0][0]
        pd.testing.assert_frame_equal(other[1], results[0][1])
        assert other[2] == results[0][2]
        np.testing.assert_array_equal(other[3], results[0][3])
        np.testing.assert_array_equal(other[4], results[0][4])


def test_rows_that_lie_alike_are_one_batch(tmp_path: Path) -> None:
    samples, refined = made(tmp_path, ["test"] * len(NATIVE), 0.0)
    shapes = [batch.masks.shape for batch in stream_batches(samples, refined, samples.rows(["test"]))]
    assert shapes == [(2, 32, 16), (1, 16, 48), (1, 32, 48), (1, 32, 31), (1, 32, 11), (1, 32, 16), (1, 32, 48)]
    learned = [(mask.shape, maps["base"].shape) for maps, mask in learning_batches(samples, samples.rows(["test"]))]
    assert learned == [(shape, shape) for shape in shapes]


def test_truths_that_maps_are_compared_with_have_no_padding(tmp_path: Path) -> None:
    samples, _ = made(tmp_path, ["test"] * len(NATIVE), 0.0)
    (truth,) = reduced_truth(samples, np.arange(len(NATIVE)), 1)
    assert (truth.weight == 1).all()


def test_imported_maps_lie_on_their_images(tmp_path: Path) -> None:
    samples, _ = made(tmp_path, ["test"] * len(NATIVE), 0.0)
    (tmp_path / "maps").mkdir()
    for row, native in enumerate(NATIVE):
        halves = np.zeros(native, np.float32)
        halves[: native[0] // 2] = 4.0
        np.save(tmp_path / "maps" / f"s{row}.npy", halves)
    folder = MapFolder(tmp_path, "maps", None, MapReading(values="logits"))
    manifest = assign_maps(samples.manifest, folder, [])
    found = np.concatenate([batch["logits"] for batch in imported_maps(samples, manifest, folder)])
    assert found.shape == (len(NATIVE), *CANVAS.shape)
    for row, native in enumerate(NATIVE):
        part = CANVAS.region(native).of(found)[row].astype(np.float32)
        middle = part.shape[0] / 2
        assert (part[: int(middle) - 2] == 4).all()
        assert (part[int(middle) + 2 :] == 0).all()


def test_descriptions_and_quality_are_those_of_the_unpadded_image(tmp_path: Path) -> None:
    samples, _ = made(tmp_path, ["test"] * len(NATIVE), 5.0)
    images, base = samples.array("images", [0, 2]), samples.array("logits", [0, 2])
    found = list(samples.regions([0, 2]))
    assert len(found) == 2
    for row, (alike, region) in enumerate(found):
        assert region is not None
        part, of_image = region.of(base[alike])[None], region.of_images(images[alike])
        assert part.shape[-2:] == region.shape == of_image.shape[1:3]
        assert describe(of_image, part, part).values.shape == (1, 6)
        assert quality_statistics(part, part)[0, 1] == 1, row


def test_at_native_resolution_the_region_alone_is_stretched(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for kind in ("images", "masks"):
        (tmp_path / "set" / kind).mkdir(parents=True)
    for number, native in enumerate(NATIVE):
        Image.fromarray(rng.integers(0, 256, (*native, 3), dtype=np.uint8)).save(tmp_path / f"set/images/s{number}.png")
        Image.fromarray(255 * rng.integers(0, 2, native, dtype=np.uint8)).save(tmp_path / f"set/masks/s{number}.png")
    settings = DatasetSettings.model_validate({"image_size": list(CANVAS.shape), "folds": 2})
    reader = make_reader("set", settings, tmp_path)
    manifest = inspect("set", settings, reader)
    manifest["split"] = "test"
    manifest.attrs[IDENTITY] = "eight"
    samples, refined = made(tmp_path, ["test"] * len(NATIVE), 9.0)
    resize = native_resolution("set", settings, tmp_path, manifest)
    batches = list(stream_batches(Samples(manifest, samples.stores), refined, samples.rows(["test"]), resize))
    assert [batch.masks.shape[1:] for batch in batches] == NATIVE
    first = CANVAS.region(NATIVE[0])
    np.testing.assert_array_equal(batches[0].refined[0], first.of(refined.read("logits", [0]))[0].astype(np.float32))


@pytest.mark.parametrize("letterboxed", [False, True])
def test_rows_have_a_region_only_where_there_is_padding(tmp_path: Path, letterboxed: bool) -> None:
    samples, _ = made(tmp_path, ["test"] * len(NATIVE), 0.0)
    samples.manifest.attrs[LETTERBOXED] = letterboxed
    found = list(samples.regions(np.arange(3)))
    if letterboxed:
        assert found == [(slice(0, 2), CANVAS.region((32, 16))), (slice(2, 3), CANVAS.region((16, 48)))]
    else:
        assert found == [(slice(0, 3), None)]


def test_the_report_shows_images_without_their_padding(tmp_path: Path) -> None:
    samples, refined = made(tmp_path, ["test"] * len(NATIVE), 9.0)
    rows = range(len(NATIVE))
    per_image = pd.DataFrame({"row": rows, "sample_id": samples.manifest["sample_id"], "gain": rows})
    shown = gallery(samples, refined, per_image.assign(iou_base=0.5, iou_refined=0.5), 2)
    assert len(shown) == 6
    for row in shown:
        shape = CANVAS.region(NATIVE[int(row.sample_id[1:])]).shape
        assert row.image.shape[:2] == row.base_probability.shape == row.refined_mask.shape == row.mask.shape == shape
        assert set(np.unique(row.mask)) == {0, 1}
