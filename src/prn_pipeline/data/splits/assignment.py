"""Assigns samples to splits and folds: whole groups, the same on every machine."""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Iterable, Mapping

from prn_pipeline.data.splits.settings import FoldsSplit, RatioSplit, SplitSettings
from prn_pipeline.errors import UserError

SPLITS = ("train", "val", "test")
ATTEMPTS = 64


def assign_splits(
    groups: Mapping[str, str], given: Mapping[str, str | None], settings: SplitSettings
) -> dict[str, str]:
    """Assign every sample to a split.

    Args:
        groups: {sample_id: group}.
        given: {sample_id: split that the data set defines, or None}.
        settings: methods `ratio` and `folds` draw all three splits; the others keep the given splits and, without a
            given val, draw val from train.

    Returns:
        {sample_id: "train" | "val" | "test"}; no group lies in two splits. Train is empty if the settings or the
        given splits leave nothing for it; the other splits never are.

    Raises:
        UserError: too few groups, an empty split, or a group in several given splits.
    """
    if isinstance(settings, RatioSplit):
        return _split_by_ratio(groups, settings)
    if isinstance(settings, FoldsSplit):
        return _split_by_folds(groups, settings)
    splits = {sample_id: split for sample_id, split in given.items() if split is not None}
    _refuse_split_groups(groups, splits)
    if "test" not in splits.values():
        raise UserError("the test split is empty. Correct the files that `split` names.")
    if not {"train", "val"} & set(splits.values()):
        raise UserError("the train split is empty, and so is val. Correct the files that `split` names.")
    if "val" not in splits.values():
        train = Counter(groups[sample_id] for sample_id, split in splits.items() if split == "train")
        if len(train) < 2:
            raise UserError(
                f"train has {len(train)} group, but drawing val from it needs at least 2. Name a val split, or make "
                "the groups smaller (`split.group`)."
            )
        share = settings.val_fraction * train.total()
        val = nearest_share(train, share, most=len(train) - 1, key=f"{settings.seed}/val")
        splits |= {
            sample_id: "val" for sample_id, split in splits.items() if split == "train" and groups[sample_id] in val
        }
    return splits


def assign_folds(groups: Mapping[str, str], folds: int, seed: int) -> dict[str, int]:
    """Assign every sample to one of `folds` folds of nearly equal size; a group stays in one fold.

    Returns:
        {sample_id: 0 .. folds - 1}; no fold is empty.

    Raises:
        UserError: fewer groups than folds.
    """
    sizes = Counter(groups.values())
    if len(sizes) < folds:
        raise UserError(
            f"{folds} folds need at least {folds} groups in train and val, found {len(sizes)} groups of {len(groups)} "
            f"samples. Set `folds: {max(2, len(sizes))}` or add data."
        )
    filled = [0] * folds
    fold_of = {}
    for group in sorted(_shuffled(sizes, f"{seed}/folds"), key=lambda group: -sizes[group]):
        fold_of[group] = min(range(folds), key=lambda fold: filled[fold])
        filled[fold_of[group]] += sizes[group]
    return {sample_id: fold_of[group] for sample_id, group in groups.items()}


def nearest_share(sizes: Mapping[str, int], share: float, most: int, key: str) -> set[str]:
    """Groups with about `share` samples in total, drawn by hash.

    Up to `ATTEMPTS` orders are tried until one is within half a sample; otherwise the nearest is returned of them, of
    what reaches the share in each order, and of all single groups.

    Args:
        sizes: {group: samples}.
        share: number of samples to reach.
        most: largest number of groups; at least one is always taken.
        key: seed of the draw.
    """

    def distance(chosen: set[str]) -> float:
        return abs(sum(sizes[group] for group in chosen) - share)

    best: set[str] = set()
    for attempt in range(ATTEMPTS):
        chosen = _first_fit(_shuffled(sizes, f"{key}/{attempt}"), sizes, share, most)
        if not best or distance(chosen) < distance(best):
            best = chosen
        if distance(best) <= 0.5:
            return best
    # So far a group larger than the room that is left was passed over; a little more than the share may be nearer.
    over = (_reaching(_shuffled(sizes, f"{key}/{attempt}"), sizes, share, most) for attempt in range(ATTEMPTS))
    alone = ({group} for group in _shuffled(sizes, key))
    return min((best, *over, *alone), key=distance)


def _split_by_ratio(groups: Mapping[str, str], settings: RatioSplit) -> dict[str, str]:
    sizes = Counter(groups.values())
    names = ("val", "test") if settings.without_train else SPLITS
    if len(sizes) < len(names):
        raise UserError(
            f"{', '.join(names[:-1])} and {names[-1]} need at least {len(names)} groups, found {len(sizes)} in"
            f" {len(groups)} samples. Add data, or make the groups smaller (`split.group`; identical images are one"
            " group)."
        )
    most = len(sizes) - len(names) + 1
    test = nearest_share(sizes, settings.test * len(groups), most=most, key=f"{settings.seed}/test")
    rest = {group: size for group, size in sizes.items() if group not in test}
    val = set(rest)
    if not settings.without_train:
        val = nearest_share(rest, settings.val * len(groups), most=len(rest) - 1, key=f"{settings.seed}/val")
    return {
        sample_id: "test" if group in test else "val" if group in val else "train"
        for sample_id, group in groups.items()
    }


def _split_by_folds(groups: Mapping[str, str], settings: FoldsSplit) -> dict[str, str]:
    """One fold is test; val is drawn from the other folds."""
    fold_of = assign_folds(groups, settings.folds, settings.seed)
    rest = Counter(groups[sample_id] for sample_id, fold in fold_of.items() if fold != settings.test_fold)
    if len(rest) < 2:
        raise UserError(
            f"outside fold {settings.test_fold} there is {len(rest)} group, but train and val need 2: use more folds"
        )
    key = f"{settings.seed}/val/{settings.test_fold}"
    val = nearest_share(rest, settings.val * rest.total(), most=len(rest) - 1, key=key)
    return {
        sample_id: "test" if fold == settings.test_fold else "val" if groups[sample_id] in val else "train"
        for sample_id, fold in fold_of.items()
    }


def _first_fit(order: list[str], sizes: Mapping[str, int], share: float, most: int) -> set[str]:
    chosen: set[str] = set()
    total = 0
    for group in order:
        if total + sizes[group] <= share and len(chosen) < most:
            chosen.add(group)
            total += sizes[group]
    smallest = min((group for group in order if group not in chosen), key=lambda group: sizes[group], default=None)
    room = smallest is not None and len(chosen) < most
    if smallest is not None and room and (not chosen or abs(total + sizes[smallest] - share) < abs(total - share)):
        chosen.add(smallest)
    return chosen


def _reaching(order: list[str], sizes: Mapping[str, int], share: float, most: int) -> set[str]:
    """The first groups whose samples are at least `share`, or the first `most`."""
    totals = itertools.accumulate(sizes[group] for group in order[:most])
    return set(order[: 1 + sum(total < share for total in list(totals)[:-1])])


def _shuffled(groups: Iterable[str], key: str) -> list[str]:
    """An order that depends on key and names only, so no library version and no file system changes it."""
    return sorted(set(groups), key=lambda group: hashlib.sha256(f"{key}/{group}".encode()).digest())


def _refuse_split_groups(groups: Mapping[str, str], splits: Mapping[str, str]) -> None:
    split_of: dict[str, str] = {}
    for sample_id in sorted(splits):
        split = split_of.setdefault(groups[sample_id], splits[sample_id])
        if split != splits[sample_id]:
            raise UserError(
                f"group {groups[sample_id]} has samples in {split} and in {splits[sample_id]} (such as {sample_id}). "
                "Keep it in one split in the split files, or remove `split.group`."
            )
