"""Which of the splits that a data set names becomes train, val and test."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple


class SplitChoice(NamedTuple):
    """The data set's own name of each split that ingestion wants; None where it names none.

    Attributes:
        train: None: a base model that is not trained here is needed.
        val: None: drawn from train.
        test: always there.
        note: a sentence, "" if all is as it was named.
    """

    train: str | None
    val: str | None
    test: str
    note: str

    def named(self) -> dict[str, str | None]:
        """Wanted split -> the data set's own, in order."""
        return {"train": self.train, "val": self.val, "test": self.test}


def choose_splits(found: Collection[str]) -> SplitChoice | None:
    """The choice for a data set that names these of train, val and test; None if they are fewer than two.

    Without a test split, val is test: it was not learned from either.
    """
    train, val = ("train" if "train" in found else None), ("val" if "val" in found else None)
    if "test" in found and (train or val):
        return SplitChoice(train, val, "test", "")
    if train and val:
        return SplitChoice(
            train,
            None,
            "val",
            "There is no test split: val is used as test, and a new val is drawn from train (`split`).",
        )
    return None
