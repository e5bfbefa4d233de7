"""Settings of splits: how a data set is divided into train, val and test."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator


def _below_the_data_root(path: str) -> str:
    if not path or Path(path).is_absolute() or ".." in Path(path).parts:
        raise ValueError(f"'{path}' must be a path below the data root, which PRN_DATA_ROOT names")
    return path


Fraction = Annotated[float, Field(gt=0.0, lt=1.0)]
RelativePath = Annotated[str, AfterValidator(_below_the_data_root)]


def is_unset(value: object) -> bool:
    """Newer keys are left out of dumps where they have no effect, so that digests of older runs stay as they are."""
    return value is None or value is False


class StrictSettings(BaseModel):
    """Immutable settings that refuse unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class GroupSettings(StrictSettings):
    """Which samples form a group: frames of one video, tiles of one scene, eyes of one patient."""

    pattern: str | None = Field(
        default=None, description="Regular expression searched in the sample id; its group(1) names the group."
    )
    file: RelativePath | None = Field(
        default=None, description="CSV file below the data set's folder that names each group."
    )
    id: str = Field(default="sample_id", description="Column of `file` that holds the sample ids.")
    column: str = Field(default="group", description="Column of `file` that holds the groups.")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.pattern is None) == (self.file is None):
            raise ValueError("give either `pattern` or `file` (with `id` and `column`), not both")
        return self


class _AnySplit(StrictSettings):
    seed: int = Field(default=29, description="Seed of every draw: splits, the val drawn from train, and folds.")
    group: GroupSettings | None = Field(
        default=None,
        description="Samples of one group stay in one split and one fold; null: every sample is its own group.",
    )

    @property
    def without_train(self) -> bool:
        """Whether the settings leave nothing for train. The files of a data set may do so too."""
        return False

    @property
    def files(self) -> tuple[str, ...]:
        """Files that the settings name, relative to the data set's folder."""
        return (self.group.file,) if self.group and self.group.file else ()


class RatioSplit(_AnySplit):
    """Groups are drawn at random for val and test; the rest is train, which a downloaded model does not need."""

    method: Literal["ratio"] = Field(default="ratio", description="Draw the splits at random.")
    val: Fraction = Field(default=0.2, description="Share of the samples that goes to val.")
    test: Fraction = Field(default=0.2, description="Share of the samples that goes to test.")

    @model_validator(mode="after")
    def _at_most_everything(self) -> Self:
        if self.val + self.test > 1.0 and not self.without_train:
            raise ValueError(
                f"val {self.val} and test {self.test} are more than all samples; their sum must be at most 1"
            )
        return self

    @property
    def without_train(self) -> bool:
        """Whether val and test together are all samples."""
        return math.isclose(self.val + self.test, 1.0)


class FoldsSplit(_AnySplit):
    """Cross-validation over groups: each is assigned to a fold, and one fold is test. Define one data set per fold."""

    method: Literal["folds"] = Field(description="Assign the groups to folds.")
    folds: int = Field(default=4, ge=2, description="Number of folds.")
    test_fold: int = Field(ge=0, description="Which fold is test: 0 to folds - 1.")
    val: Fraction = Field(default=0.2, description="Share of the other samples that goes to val.")

    @model_validator(mode="after")
    def _one_of_the_folds(self) -> Self:
        if self.test_fold >= self.folds:
            raise ValueError(f"test_fold {self.test_fold} is not one of {self.folds} folds, which are numbered from 0")
        return self


class _GivenSplit(_AnySplit):
    val_fraction: Fraction = Field(
        default=0.2, description="Share of the given train samples that becomes val if the data set has no val."
    )


class _NamedSplit(_GivenSplit):
    """Train, val and test are named one by one."""

    train: RelativePath | None
    val: RelativePath | None

    @model_validator(mode="after")
    def _a_split_to_learn_from(self) -> Self:
        if self.train is None and self.val is None:
            raise ValueError("`train` and `val` are both null: name the split that a refiner learns from, `val`")
        return self

    @property
    def without_train(self) -> bool:
        """Whether the settings name no train split."""
        return self.train is None


class ListsSplit(_NamedSplit):
    """Text files below the data set's folder: each line names a sample, by its id or its image, or a group.

    Of lines with columns, such as those of `pairing: {by: list}`, the first one counts.
    """

    method: Literal["lists"] = Field(description="Read the splits from lists of ids.")
    train: RelativePath | None = Field(description="File of the train ids; null: train is empty.")
    val: RelativePath | None = Field(default=None, description="File of the val ids; null: drawn from train.")
    test: RelativePath = Field(description="File of the test ids.")

    @property
    def files(self) -> tuple[str, ...]:
        """The lists, and the file of the groups."""
        return (*super().files, *(one for one in (self.train, self.val, self.test) if one))


class FoldersSplit(_NamedSplit):
    """One folder per split, each with its own images and masks: <folder>/<split folder>/<images>."""

    method: Literal["folders"] = Field(description="The split is the folder an image lies in.")
    train: RelativePath | None = Field(
        default="train", description="Folder of the train samples; null: train is empty."
    )
    val: RelativePath | None = Field(default=None, description="Folder of the val samples; null: drawn from train.")
    test: RelativePath = Field(default="test", description="Folder of the test samples.")


class ColumnSplit(_GivenSplit):
    """A table with one row per sample; val is drawn from train if no row is val, and train may be empty otherwise."""

    method: Literal["column"] = Field(description="Read the splits from a column of a CSV file.")
    file: RelativePath = Field(
        description="Table below the data set's folder, with a header; tabs, semicolons or commas separate its columns."
    )
    id: str = Field(default="sample_id", description="Column that holds the sample ids (or image file names).")
    column: str = Field(
        default="split", description="Column that holds the split; samples with an empty value are left out."
    )
    train: str = Field(default="train", description="Value of the column for train.")
    val: str = Field(default="val", description="Value of the column for val.")
    test: str = Field(default="test", description="Value of the column for test.")

    @property
    def files(self) -> tuple[str, ...]:
        """The table, and the file of the groups."""
        return (*super().files, self.file)


def _drawn_unless_named(given: object) -> object:
    """`split: {group: ...}` alone is the default method, as no `split` at all is."""
    if isinstance(given, Mapping) and "method" not in given and set(given) <= set(RatioSplit.model_fields):
        return {"method": "ratio", **given}
    return given


SplitSettings = Annotated[
    RatioSplit | FoldsSplit | ListsSplit | FoldersSplit | ColumnSplit,
    Field(discriminator="method"),
    BeforeValidator(_drawn_unless_named),
]
