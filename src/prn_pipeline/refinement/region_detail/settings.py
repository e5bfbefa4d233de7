"""Settings of an ensemble of small networks that correct by region and by detail."""

import math
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from prn_pipeline.refinement.region_detail.input_order import RefinerInput, in_order


class RegionDetailSettings(BaseModel):
    """Settings of a few small networks that correct the base logit, one per fold of the maps, and of their loss."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    network: Literal["region_detail"]
    inputs: Annotated[tuple[RefinerInput, ...], AfterValidator(in_order)] = Field(
        (), description="inputs other than the logits: tta, tta_scales, features, images, several_maps"
    )
    region_size: int = Field(
        16, ge=0, description="pixels per side of a region, which gets a shift and a scale; 0: no region branch"
    )
    region_width: int = Field(32, ge=4, description="channels of the region branch")
    detail_width: int = Field(16, ge=0, description="channels of the detail branch's first level; 0: no detail branch")
    detail_levels: int = Field(4, ge=1, le=6, description="levels of the detail branch's U-Net")
    members: int = Field(
        3, ge=2, le=10, description="number of networks, each of which leaves out one fold of the maps"
    )
    seen_maps: bool = Field(
        True, description="also learn from maps of images that the base model was trained on; not with tta_scales"
    )
    pseudo_label_weight: float = Field(
        0.5, ge=0, description="weight of the region branch's loss on pseudo-labels; the loss on masks has weight 1"
    )
    image_channels: int = Field(3, ge=1, description="channels of an image; set by the data set")
    feature_channels: int | None = Field(
        None, description="channels of the base model's features; null: read from the logit cache"
    )

    several_maps_channels: int | None = Field(
        None,
        exclude_if=lambda channels: channels is None,
        description="number of models whose maps are several_maps; null: read from the logit cache",
    )
    tta_scales: tuple[float, ...] | None = Field(
        None,
        exclude_if=lambda scales: scales is None,
        description="other scales of the image of which tta_scales is the mean; null: read from the logit cache",
    )

    @property
    def arrays(self) -> tuple[str, ...]:
        """Names of the stored arrays that the refiner reads; the base logits come first."""
        return ("logits", *self.inputs)

    @property
    def multiple(self) -> int:
        """Heights and widths of maps must be multiples of this."""
        return math.lcm(self.region_size or 1, 2**self.detail_levels if self.detail_width else 1)

    @property
    def sees_whole_maps(self) -> bool:
        """Whether the refiner needs whole maps: no, a pixel depends on its neighbourhood only."""
        return False

    @property
    def fewest_groups(self) -> int:
        """Smallest number of groups of unseen images: every member leaves out at least one."""
        return self.members
