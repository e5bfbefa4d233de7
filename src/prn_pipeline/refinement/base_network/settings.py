"""Settings of the base model's network as a refiner."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class BaseNetworkSettings(BaseModel):
    """Settings of a refiner that is the base model's network, trained on the images that a refiner learns from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    network: Literal["base_network"]
    start: Literal["trained", "initial"] = Field(
        "trained",
        description="trained: the base model's weights, trained further as `training` says; initial: the weights that"
        " its own training started from, trained as it was, for its number of steps and that of `training` together",
    )
    seen_images: bool = Field(False, description="also learn from images that the base model was trained on")
    learning_rates: tuple[float, ...] = Field(
        (3e-4, 1e-3),
        description="the best of them in cross-validation over groups is used; none: that of the training",
    )
    flips: bool = Field(
        False,
        exclude_if=lambda flips: not flips,
        description="the mean over four flips of the image, as TTA of the base model, for four passes of the network",
    )
    image_channels: int = Field(3, ge=1, description="channels of an image; set by the data set")
    learning_rate: float | None = Field(None, description="the learning rate that was used; set by the training")
    base_model: dict[str, Any] | None = Field(None, description="settings of the base model; set by the training")

    @property
    def arrays(self) -> tuple[str, ...]:
        """Names of the stored arrays that the refiner reads; the base logits come first."""
        return ("logits", "images")

    @property
    def multiple(self) -> int:
        """Heights and widths of maps must be multiples of this; base_training checks what the network supports."""
        return 1

    @property
    def sees_whole_maps(self) -> bool:
        """Whether the refiner needs whole maps: no more than the base model, which runs on tiles."""
        return False

    @property
    def fewest_groups(self) -> int:
        """Smallest number of groups of unseen images: the choice of a learning rate needs some to learn from, others
        to compare by."""
        return 2 if len(self.learning_rates) > 1 else 1
