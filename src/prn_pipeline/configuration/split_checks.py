"""Checks that the splits leave a base model and a refiner enough to learn from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prn_pipeline.configuration.model_checks import base_of, refiner_of
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.errors import UserError, counted


def check_split(checked: dict[str, Any]) -> None:
    """Raise UserError if the base model is trained here, and the settings of the data set leave nothing for train."""
    if DatasetSettings.model_validate(checked["run"]["dataset"]).split.without_train:
        check_train(checked, samples=0)


def check_train(checked: dict[str, Any], samples: int) -> None:
    """Raise UserError if the base model is trained here, and train has no samples."""
    if base_of(checked).trained_here and not samples:
        raise _nothing_to_train_on(checked["run"]["names"])


def _nothing_to_train_on(names: dict[str, Any]) -> UserError:
    return UserError(
        f"base model {names['base_model']!r} is trained here, but the train split of data set {names['dataset']!r} is"
        f" empty: give train some samples (`datasets.{names['dataset']}.split`), or use a base model that is already"
        " trained, of kind module with `weights` or of kind maps"
    )


def check_val(checked: dict[str, Any], groups: Mapping[str, int]) -> None:
    """Raise UserError if there are too few groups for the refiner to learn from some and be judged on others.

    Args:
        checked: parameters as `resolved_run.resolve_run` returns them.
        groups: number of groups of images in train and val.
    """
    base, names, fewest = base_of(checked), checked["run"]["names"], refiner_of(checked).fewest_groups
    crossfit = checked["logit_caching"]["protocol"] == "crossfit"
    splits = [split for split in ("train", "val") if crossfit or split not in base.seen]
    found = sum(groups.get(split, 0) for split in splits)
    if found < fewest:
        raise UserError(
            f"refiner {names['refiner']!r} learns from some maps of {' and '.join(splits) or 'no split'} and is"
            f" evaluated on the others: {names['dataset']!r} has {counted(found, 'group')} of images there,"
            f" {fewest} are needed. Use a larger `split.val`"
            + (" or logit_caching.protocol=crossfit" if base.trained_here and not crossfit else "")
            + (", or lower `members` of the refiner" if found > 1 else "")
        )
