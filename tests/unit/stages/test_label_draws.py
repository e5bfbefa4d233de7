"""Which images are drawn as labelled ones, and which are left to measure on."""

import itertools

import numpy as np
import pandas as pd
import pytest

from prn_pipeline.errors import UserError
from prn_pipeline.stages.label_curve.draws import MIN_HELD_OUT, LabelDraws, label_draws


def manifest(groups: list[str], maps_per_image: int = 1, video: bool = False) -> pd.DataFrame:
    ids = [f"image-{number:03d}" for number in range(len(groups)) for _ in range(maps_per_image)]
    of_maps = [group for group in groups for _ in range(maps_per_image)]
    return pd.DataFrame({"sample_id": ids, "group": of_maps, "video": video})


def alone(count: int) -> pd.DataFrame:
    return manifest([f"g{number}" for number in range(count)])


def draws_of(table: pd.DataFrame, *sizes: int, draws: int = 3, seed: int = 0) -> LabelDraws:
    return label_draws(table, np.arange(len(table)), sizes, draws, seed)


def test_drawn_and_held_out_rows_are_all_rows_that_may_be_learned_from_and_no_others() -> None:
    table, rows = alone(60), np.arange(3, 60, 2)
    found = label_draws(table, rows, [5, 10], 3, 0).draws
    assert [draw.size for draw in found] == [5] * 3 + [10] * 3
    for draw in found:
        assert sorted([*draw.drawn, *draw.held_out]) == rows.tolist()
        assert len(draw.drawn) == draw.images == draw.size


def test_a_larger_size_adds_to_the_images_of_a_smaller_one() -> None:
    found = draws_of(alone(60), 5, 20, 40).draws
    for number in range(3):
        of_draw = [set(draw.drawn) for draw in found if draw.number == number]
        assert of_draw[0] < of_draw[1] < of_draw[2]


def test_small_draws_share_no_image_and_large_ones_leave_out_different_images() -> None:
    found = draws_of(alone(60), 10, 50).draws
    assert len(found) == 6
    for size, rows in ((10, "drawn"), (50, "held_out")):
        for one, other in itertools.combinations([set(getattr(d, rows)) for d in found if d.size == size], 2):
            assert not one & other


def test_groups_and_the_maps_of_an_image_stay_together() -> None:
    table = manifest([f"g{number // 3}" for number in range(45)], maps_per_image=2)
    found = draws_of(table, 6, 12).draws
    assert len(found) == 6
    for draw in found:
        drawn, held_out = table.iloc[draw.drawn], table.iloc[draw.held_out]
        assert not set(drawn["group"]) & set(held_out["group"])
        assert drawn["sample_id"].nunique() == draw.images == draw.size == 3 * draw.groups
        assert len(drawn) == 2 * draw.images


def test_frames_of_a_video_are_drawn_as_one_stretch() -> None:
    for draw in draws_of(manifest([f"g{n}" for n in range(30)], video=True), 10).draws:
        assert np.sum(np.diff(np.sort(draw.held_out)) > 1) + np.sum(np.diff(np.sort(draw.drawn)) > 1) <= 2
    shuffled = draws_of(alone(30), 10).draws[0]
    assert np.sum(np.diff(shuffled.drawn) > 1) > 2


def test_the_same_seed_gives_the_same_draws_and_another_seed_gives_others() -> None:
    first, again, other = (draws_of(alone(60), 5, seed=seed).draws for seed in (0, 0, 1))
    assert all((a.drawn == b.drawn).all() for a, b in zip(first, again, strict=True))
    assert any((a.drawn != b.drawn).any() for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize(
    ("groups", "size", "reason"),
    [
        ([f"g{n}" for n in range(20)], 17, f"leaves 3 of 20 groups to measure on, {MIN_HELD_OUT} are needed"),
        ([f"g{n}" for n in range(20)], 20, f"leaves 0 of 20 groups to measure on, {MIN_HELD_OUT} are needed"),
        ([f"g{n}" for n in range(20)], 500, f"leaves 0 of 20 groups to measure on, {MIN_HELD_OUT} are needed"),
        ([f"g{n // 10}" for n in range(100)], 6, "whole groups have 10 images"),
        ([f"g{n // 10}" for n in range(100)], 14, "whole groups are those of the size before"),
    ],
)
def test_a_size_that_cannot_be_measured_is_left_out_with_the_reason(groups: list[str], size: int, reason: str) -> None:
    found = draws_of(manifest(groups), 10, size)
    assert found.left_out == {size: reason}
    assert {draw.size for draw in found.draws} == {10}


def test_the_last_possible_size_is_measured() -> None:
    assert not draws_of(alone(20), 20 - MIN_HELD_OUT).left_out


def test_more_draws_than_groups_would_repeat_themselves() -> None:
    assert len(draws_of(alone(6), 2, draws=10).draws) == 6


def test_a_data_set_whose_images_were_all_seen_is_refused() -> None:
    with pytest.raises(UserError, match="a refiner cannot learn from any: give the data set a val split"):
        label_draws(alone(8), np.array([], np.int64), [5], 3, 0)


def test_too_few_images_for_every_size_are_refused() -> None:
    with pytest.raises(UserError, match=r"^8 images in 8 groups are labelled and not test, .*50: leaves 0 of 8"):
        draws_of(alone(8), 5, 50)
