"""What the report shows of the stored maps: the chosen images, and that each picture is of its own image."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.special import expit

from prn_pipeline.data.sample_format import IGNORE
from prn_pipeline.data.store.array_store import ArrayStore, ArrayStream, write_arrays
from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.metrics.map_statistics import MapStatisticsCounter
from prn_pipeline.reporting.browse import spread
from prn_pipeline.stages.reporting import by_gain, choose_gallery, dataset_samples, gallery, map_statistics
from tests.unit.stages.class_samples import SIDE, C, class_samples, refined_store


def chosen(gains: list[float], rows_each: int) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for kind, position in choose_gallery(pd.DataFrame({"gain": gains}), rows_each):
        found.setdefault(kind, []).append(position)
    return found


def test_the_gallery_has_the_best_the_median_and_the_worst_gains_from_the_outside_in() -> None:
    gains = [0.0, 0.5, -0.2, 0.1, 0.4, -0.3, 0.2, 0.3, -0.1]
    assert chosen(gains, 1) == {"best": [1], "median": [3], "worst": [5]}
    assert chosen(gains, 2) == {"best": [1, 4], "median": [6, 3], "worst": [5, 2]}
    assert chosen(gains, 100) == chosen(gains, 3) == {"best": [1, 4, 7], "median": [6, 3, 0], "worst": [5, 2, 8]}


@pytest.mark.parametrize("rows_each", [1, 4])
def test_images_of_equal_gain_are_shown_in_their_order(rows_each: int) -> None:
    gains = [0.1 * (number % 3) for number in range(200)]
    ordered = [number for rest in (2, 1, 0) for number in range(200) if number % 3 == rest]
    middle = (200 - rows_each) // 2
    assert chosen(gains, rows_each) == {
        "best": ordered[:rows_each],
        "median": ordered[middle : middle + rows_each],
        "worst": ordered[::-1][:rows_each],
    }


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (1, {"best": [0]}),
        (2, {"best": [0], "worst": [1]}),
        (3, {"best": [0], "median": [1], "worst": [2]}),
        (5, {"best": [0], "median": [2], "worst": [4]}),
    ],
)
def test_a_small_test_set_shows_no_image_twice(images: int, expected: dict[str, list[int]]) -> None:
    assert chosen([-0.1 * number for number in range(images)], 4) == expected


def table_of(rows: list[int], **more: list[object]) -> pd.DataFrame:
    """Rows of a table of test images, from the best gain to the worst."""
    return pd.DataFrame(
        {
            "row": rows,
            "sample_id": [f"name-{row}" for row in rows],
            "iou_base": [0.1 * (number + 1) for number in range(len(rows))],
            "iou_refined": [0.5 - 0.1 * number for number in range(len(rows))],
            "gain": [0.4 - 0.2 * number for number in range(len(rows))],
            **more,
        }
    )


def test_a_row_of_the_gallery_has_the_pictures_and_numbers_of_its_image(
    bright_squares: Samples, tmp_path: Path
) -> None:
    rows = bright_squares.rows(["test"])
    logits = (bright_squares.array("logits", rows).astype(np.float32) - 0.5).astype(np.float16)
    write_arrays(tmp_path / "r.zarr", ArrayStream([{"logits": logits}]))
    shown = gallery(bright_squares, ArrayStore(tmp_path / "r.zarr"), table_of([4, 1, 2]), rows_each=1)
    assert [(row.kind, row.sample_id) for row in shown] == [
        ("best", "name-4"),
        ("median", "name-1"),
        ("worst", "name-2"),
    ]
    for number, (row, place) in enumerate(zip(shown, (4, 1, 2), strict=True)):
        base, after = bright_squares.array("logits", rows[[place]])[0].astype(np.float32), logits[place]
        np.testing.assert_array_equal(row.image, bright_squares.array("images", rows[[place]])[0])
        np.testing.assert_array_equal(row.mask, bright_squares.array("masks", rows[[place]])[0])
        np.testing.assert_array_equal(row.base_mask, base > 0)
        np.testing.assert_array_equal(row.refined_mask, after > 0)
        np.testing.assert_allclose(row.base_probability, expit(base), atol=1e-6)
        np.testing.assert_allclose(row.refined_probability, expit(after.astype(np.float32)), atol=1e-6)
        assert row.iou_base == pytest.approx(0.1 * (number + 1))
        assert row.iou_refined == pytest.approx(0.5 - 0.1 * number)


def test_a_row_of_several_classes_shows_one_class_of_one_image(tmp_path: Path) -> None:
    samples = class_samples(tmp_path)
    refined, rows = refined_store(samples, tmp_path), samples.rows(["test"])
    places = [2 * C + 1, 0, 3 * C + 2]
    shown = gallery(samples, refined, table_of(places), 1, ["sky", "road", "car"])
    assert [row.sample_id for row in shown] == [
        f"name-{place} · {name}" for place, name in zip(places, ("road", "sky", "car"), strict=True)
    ]
    base = samples.array("logits", rows).astype(np.float32).reshape(-1, C, SIDE, SIDE)
    after = refined.read("logits", slice(None)).astype(np.float32).reshape(-1, C, SIDE, SIDE)
    for row, place in zip(shown, places, strict=True):
        image, number = divmod(place, C)
        np.testing.assert_array_equal(row.image, samples.array("images", rows[[place]])[0])
        np.testing.assert_array_equal(row.mask, samples.array("masks", rows[[place]])[0])
        np.testing.assert_array_equal(row.base_mask, base[image].argmax(0) == number)
        np.testing.assert_array_equal(row.refined_mask, after[image].argmax(0) == number)
        np.testing.assert_allclose(row.base_probability, expit(base[image, number]), atol=1e-6)
        np.testing.assert_allclose(row.refined_probability, expit(after[image, number]), atol=1e-6)


def test_statistics_of_maps_are_those_of_the_test_images_one_by_one(tmp_path: Path) -> None:
    samples = class_samples(tmp_path)
    refined, rows = refined_store(samples, tmp_path), samples.rows(["test"])
    found = map_statistics(samples, refined, 8)
    assert list(found) == ["base", "refined"]
    masks = samples.array("masks", rows)
    for name, stored in (("base", samples.array("logits", rows)), ("refined", refined.read("logits", slice(None)))):
        logits = stored.astype(np.float32)
        highest = logits.reshape(-1, C, SIDE, SIDE).argmax(1)[:, None] == np.arange(C)[:, None, None]
        counter = MapStatisticsCounter(8)
        for one in zip(expit(logits), masks, highest.reshape(masks.shape), strict=True):
            counter.add(*one)
        expected = counter.result()
        assert found[name].patch_bias.shape == (2, 2)
        np.testing.assert_allclose(found[name].patch_bias, expected.patch_bias, atol=1e-6)
        np.testing.assert_allclose(found[name].reliability, expected.reliability, atol=1e-6)
        np.testing.assert_array_equal(found[name].errors, expected.errors)
        assert found[name].foreground == (masks == 1).sum() == expected.foreground


def test_samples_of_a_data_set_are_shown_with_their_own_names_and_masks(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    images = np.broadcast_to(np.arange(40, 100, 10, dtype=np.uint8)[:, None, None, None], (6, 8, 8, 3))
    masks = draw.choice([0, 1, IGNORE], (6, 8, 8)).astype(np.uint8)
    masks[3] = 0
    manifest = pd.DataFrame(
        {
            "sample_id": list("abcdef"),
            "split": ["test", "train", "train", "val", "test", "train"],
            "foreground": [0.6, 0.5, 0.4, 0.3, 0.2, 0.1],
            "native_height": 120,
            "native_width": [240, 240, 240, 60, 240, 240],
        }
    )
    write_arrays(tmp_path / "s.zarr", ArrayStream([{"images": images, "masks": masks}]))
    shown = dataset_samples(ArrayStore(tmp_path / "s.zarr"), manifest)
    assert [sample.sample_id for sample in shown] == ["f", "c", "b", "d", "e", "a"]
    assert [sample.split for sample in shown] == ["train"] * 3 + ["val"] + ["test"] * 2
    assert [sample.foreground for sample in shown] == [0.1, 0.4, 0.5, 0.3, 0.2, 0.6]
    assert [sample.image.shape for sample in shown] == [(120, 240, 3)] * 3 + [(240, 120, 3)] + [(120, 240, 3)] * 2
    for sample, row in zip(shown, (5, 2, 1, 3, 4, 0), strict=True):
        assert (sample.image == images[row, 0, 0]).all()
        assert (sample.marked != sample.image).any() == masks[row].any()


def test_images_can_be_browsed_from_the_largest_gain_to_the_largest_loss(
    bright_squares: Samples, tmp_path: Path
) -> None:
    logits = bright_squares.array("logits", bright_squares.rows(["test"]))
    write_arrays(tmp_path / "r.zarr", ArrayStream([{"logits": logits}]))
    refined, table = ArrayStore(tmp_path / "r.zarr"), table_of([4, 1, 2])
    shown = by_gain(bright_squares, refined, table.sample(frac=1, random_state=1).reset_index(drop=True), 10)
    assert [one.sample_id for one in shown] == ["name-4", "name-1", "name-2"]
    assert [one.iou_refined for one in shown] == pytest.approx([0.5, 0.4, 0.3])
    pictures = [np.asarray(Image.open(io.BytesIO(one.picture))) for one in shown]
    assert len({picture.tobytes() for picture in pictures}) == 3
    assert [one.sample_id for one in by_gain(bright_squares, refined, table, 2)] == ["name-4", "name-2"]
    assert by_gain(bright_squares, refined, table, 0) == []


@pytest.mark.parametrize("count", [0, 1, 2, 7, 500])
@pytest.mark.parametrize("most", [1, 2, 3, 120])
def test_places_are_spread_from_the_first_to_the_last(count: int, most: int) -> None:
    places = spread(count, most)
    assert len(places) == min(count, most)
    assert set(places) <= set(range(count))
    if min(count, most) > 1:
        assert (places[0], places[-1]) == (0, count - 1)
        assert np.ptp(np.diff(places)) <= 1
