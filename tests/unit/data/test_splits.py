"""Splits have the requested shares, keep groups whole, are deterministic, and are never empty."""

import itertools
from collections import Counter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from prn_pipeline.data.splits.assignment import assign_folds, assign_splits, nearest_share
from prn_pipeline.data.splits.settings import FoldsSplit, RatioSplit, SplitSettings
from prn_pipeline.errors import UserError

LISTS: SplitSettings = TypeAdapter(SplitSettings).validate_python(
    {"method": "lists", "train": "a.txt", "test": "b.txt", "val_fraction": 0.25}
)
RATIO = RatioSplit()


def alone(count: int) -> dict[str, str]:
    return {f"s{index:03d}": f"s{index:03d}" for index in range(count)}


def drawn(groups: dict[str, str], split: SplitSettings = RATIO) -> dict[str, str]:
    return assign_splits(groups, dict.fromkeys(groups), split)


@pytest.mark.parametrize(("count", "expected"), [(100, (60, 20, 20)), (118, (70, 24, 24)), (664, (398, 133, 133))])
def test_single_samples_give_the_requested_shares(count: int, expected: tuple[int, int, int]) -> None:
    counts = Counter(drawn(alone(count)).values())
    assert (counts["train"], counts["val"], counts["test"]) == expected


def test_the_draw_depends_on_the_seed_and_not_on_the_order_of_samples() -> None:
    groups = alone(50)
    backwards = dict(reversed(groups.items()))
    assert drawn(groups) == drawn(backwards)
    assert drawn(groups) != drawn(groups, RatioSplit(seed=30))
    assert assign_folds(groups, 5, seed=1) == assign_folds(backwards, 5, seed=1)
    assert assign_folds(groups, 5, seed=1) != assign_folds(groups, 5, seed=2)


def test_the_draw_is_the_same_in_every_release() -> None:
    assert drawn(alone(6)) == {
        "s000": "train",
        "s001": "train",
        "s002": "test",
        "s003": "val",
        "s004": "train",
        "s005": "train",
    }


@pytest.mark.parametrize("sizes", [[1] * 12, [5, 4, 3, 3, 2, 2, 1, 1]])
def test_each_group_is_test_in_one_fold_of_a_cross_validation(sizes: list[int]) -> None:
    groups = {f"{g}_{i}": f"g{g}" for g, size in enumerate(sizes) for i in range(size)}
    tested: Counter[str] = Counter()
    for fold in range(4):
        splits = drawn(groups, FoldsSplit(method="folds", folds=4, test_fold=fold, val=0.3))
        assert set(splits.values()) == {"train", "val", "test"}
        assert all(len({splits[s] for s, g in groups.items() if g == group}) == 1 for group in groups.values())
        tested.update(sample_id for sample_id, split in splits.items() if split == "test")
    assert tested == dict.fromkeys(groups, 1)
    with pytest.raises(ValueError, match="not one of 4 folds"):
        FoldsSplit(method="folds", folds=4, test_fold=4)


group_sizes = st.lists(st.integers(1, 9), min_size=3, max_size=12)


@given(group_sizes, st.integers(0, 99))
@settings(max_examples=200, deadline=None)
def test_groups_stay_whole_and_no_split_or_fold_is_empty(sizes: list[int], seed: int) -> None:
    groups = {f"g{group}_{index}": f"g{group}" for group, size in enumerate(sizes) for index in range(size)}
    splits = drawn(groups, RatioSplit(seed=seed))
    folds = assign_folds(groups, 3, seed)
    assert set(splits.values()) == {"train", "val", "test"}
    assert set(folds.values()) == {0, 1, 2}
    for sample_id, group in groups.items():
        assert splits[sample_id] == splits[f"{group}_0"]
        assert folds[sample_id] == folds[f"{group}_0"]


@given(st.lists(st.integers(1, 9), min_size=2, max_size=8), st.floats(0.5, 30))
@settings(max_examples=200, deadline=None, derandomize=True)
@example(sizes=[1, 6], share=5.5)
@example(sizes=[8, 6, 1], share=13.56)
@example(sizes=[1, 1, 7, 7, 7], share=20.63)
def test_the_drawn_share_is_nearly_the_best_that_whole_groups_allow(sizes: list[int], share: float) -> None:
    named = {f"g{index}": size for index, size in enumerate(sizes)}
    most = len(sizes) - 1
    chosen = nearest_share(named, share, most, key="0")
    assert 1 <= len(chosen) <= most
    best = min(
        abs(sum(subset) - share)
        for count in range(1, most + 1)
        for subset in itertools.combinations(named.values(), count)
    )
    assert abs(sum(named[group] for group in chosen) - share) <= best + max(sizes) / 2


def test_uneven_groups_still_meet_the_shares() -> None:
    groups = {f"v{video}_{frame}": f"v{video}" for video in range(29) for frame in range(1 + video % 7)}
    counts = Counter(drawn(groups).values())
    for split, share in {"train": 0.6, "val": 0.2, "test": 0.2}.items():
        assert abs(counts[split] - share * len(groups)) <= 1


def test_folds_differ_by_one_sample_at_most_when_nothing_is_grouped() -> None:
    counts = Counter(assign_folds(alone(83), 5, seed=0).values())
    assert max(counts.values()) - min(counts.values()) == 1


def test_too_few_groups_for_splits_or_folds_say_how_many_are_needed() -> None:
    with pytest.raises(UserError, match="at least 3 groups, found 2 in 4 samples"):
        drawn({"a1": "a", "a2": "a", "b1": "b", "b2": "b"})
    with pytest.raises(UserError, match=r"5 folds need at least 5 groups.*found 4"):
        assign_folds(alone(4), 5, seed=0)


def test_given_splits_are_kept_and_a_missing_val_is_drawn_from_train() -> None:
    given_splits: dict[str, str | None] = {f"s{i:03d}": "train" if i < 40 else "test" for i in range(50)}
    splits = assign_splits(alone(50), given_splits, LISTS)
    assert Counter(splits.values()) == {"train": 30, "val": 10, "test": 10}
    assert all((splits[sample_id] == "test") == (split == "test") for sample_id, split in given_splits.items())
    with_val = given_splits | {"s000": "val"}
    assert assign_splits(alone(50), with_val, LISTS) == with_val


def test_val_is_drawn_in_whole_groups() -> None:
    groups = {f"s{i:03d}": f"video{i // 5}" for i in range(50)}
    splits = assign_splits(groups, {key: "train" if key < "s040" else "test" for key in groups}, LISTS)
    assert Counter(splits.values()) == {"train": 30, "val": 10, "test": 10}
    assert all(len({splits[key] for key in groups if groups[key] == group}) == 1 for group in groups.values())


@pytest.mark.parametrize(("given", "missing"), [("test", "train"), ("train", "test"), ("val", "test")])
def test_an_empty_given_split_is_refused(given: str, missing: str) -> None:
    with pytest.raises(UserError, match=f"the {missing} split is empty"):
        assign_splits(alone(5), dict.fromkeys(alone(5), given), LISTS)


def test_given_splits_may_leave_train_empty_if_they_have_a_val() -> None:
    given = {sample_id: "val" if sample_id < "s003" else "test" for sample_id in alone(8)}
    assert assign_splits(alone(8), given, LISTS) == given


@pytest.mark.parametrize("val", [0.3, 0.5, 0.9])
def test_val_and_test_may_share_all_samples(val: float) -> None:
    splits = drawn(alone(50), RatioSplit(val=val, test=1 - val))
    assert Counter(splits.values()) == {"val": round(50 * val), "test": round(50 * (1 - val))}
    groups = {"a1": "a", "a2": "a", "b1": "b"}
    assert set(drawn(groups, RatioSplit(val=val, test=1 - val)).values()) == {"val", "test"}
    with pytest.raises(UserError, match="val and test need at least 2 groups, found 1 in 2 samples"):
        drawn({"a1": "a", "a2": "a"}, RatioSplit(val=val, test=1 - val))


def test_val_and_test_cannot_be_more_than_all_samples() -> None:
    with pytest.raises(ValueError, match=r"val 0\.6 and test 0\.5 are more than all samples"):
        RatioSplit(val=0.6, test=0.5)


def test_a_train_split_of_one_group_cannot_give_a_val() -> None:
    groups = {"a": "video", "b": "video", "c": "c"}
    with pytest.raises(UserError, match="at least 2"):
        assign_splits(groups, {"a": "train", "b": "train", "c": "test"}, LISTS)


def test_a_group_in_two_given_splits_is_refused() -> None:
    groups = {"a": "a", "b": "video", "c": "video"}
    with pytest.raises(UserError, match="group video has samples in train and in test"):
        assign_splits(groups, {"a": "train", "b": "train", "c": "test"}, LISTS)
