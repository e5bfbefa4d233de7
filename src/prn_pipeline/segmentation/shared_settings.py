"""Settings that several kinds of base model have in common."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

#: Splits that a model may have learned from.
LearntSplit = Literal["train", "val"]
LossName = Literal["bce", "dice", "bce_dice", "jaccard", "bce_jaccard", "focal", "lovasz", "tversky"]

#: What follows if maps disagree with the true masks: an error, a warning, or nothing, because nobody compares them.
Check = Literal["refuse", "warn", "skip"]

#: Side of a network's input in pixels.
Side = Annotated[int, Field(ge=16)]


def is_default(value: Any) -> bool:
    """Whether a key has no effect, so that it is left out of dumps, which then equal those from before the key."""
    return value in (None, "refuse")


def is_empty(value: Any) -> bool:
    """The same for lists."""
    return not value


class Strict(BaseModel):
    """Settings without unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class WithDataset(Strict):
    """Settings that the data set determines for every base model."""

    classes: int = Field(1, ge=1, description="maps per image; set by the data set")
    channels: int = Field(3, ge=1, description="channels of an image; set by the data set")

    @property
    def has_network(self) -> bool:
        """Whether the source has a network that can be run on images."""
        return True

    @property
    def needs_support(self) -> bool:
        """Whether the network needs labelled images of what to segment as further input."""
        return False

    def suits(self, task: str) -> bool:
        """Whether the source can make maps for a task of `datasets.<name>.task`."""
        return task != "few_shot"


class FixedInput(WithDataset):
    """Settings of a network that may have an input of fixed size; left out of dumps at its default, as `check` is."""

    input_size: Side | None = Field(
        None,
        exclude_if=is_default,
        description="side in pixels at which the network sees images, whatever the data set's image_size: they are"
        " stretched to it, and its logits back; it is also trained at that size. null: image_size",
    )

    @property
    def input_shape(self) -> tuple[int, int] | None:
        """Height and width of the network's input; None if it takes images as they are."""
        return None if self.input_size is None else (self.input_size, self.input_size)


class Checked(WithDataset):
    """Settings of a base model that was made elsewhere, whose maps may mean something else than the settings say.

    `check` is left out of dumps at its default, so that dumps from before it compare equal.
    """

    check: Check = Field(
        "refuse",
        exclude_if=is_default,
        description="what to do if maps disagree with the true masks, and another reading of them fits far better:"
        " refuse, warn, or skip the comparison",
    )


class TrainedHere(FixedInput):
    """Settings of a base model that learns from split train only."""

    @property
    def trained_here(self) -> bool:
        """Whether base_training trains the model."""
        return True

    @property
    def seen(self) -> tuple[LearntSplit, ...]:
        """Splits whose images the model learns from; their maps are better than those of new images."""
        return ("train",)
