"""Settings of an ensemble of small networks that correct by region and by detail."""

import math
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from prn_pipeline.refinement.region_detail.inputs import RefinerInput, in_order


class RegionDetailSettings(BaseModel):
    """A few small networks that correct the base logit, one a part of the maps, and what they are taught."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    network: Literal["region_detail"]
    inputs: Annotated[tuple[RefinerInput, ...], AfterValidator(in_order)] = Field(
        (), description="beside the logits: tta, features, images"
    )
    region_size: int = Field(16, ge=0, description="pixels a side of a region with a shift and a scale; 0: no regions")
    region_width: int = Field(32, ge=4, description="channels of the region branch")
    detail_width: int = Field(16, ge=0, description="channels of the detail branch's first level; 0: no detail branch")
    detail_levels: int = Field(4, ge=1, le=6, description="levels of the detail branch's U-Net")
    members: int = Field(3, ge=2, le=10, description="networks, each of which leaves out one part of the maps")
    seen_maps: bool = Field(True, description="learn from maps of images that the base model was trained on, too")
    pseudo_label_weight: float = Field(
        0.5,
        ge=0,
        description="of what the region branch is taught by the patch-wise labels, beside the masks' loss of 1",
    )
    image_channels: int = Field(3, ge=1, description="of an image; the data set says how many")
    feature_channels: int | None = Field(None, description="of the base model's features; null: as they are stored")

    @property
    def arrays(self) -> tuple[str, ...]:
        """Names of the stored arrays that the refiner reads, the base logits first."""
        return ("logits", *self.inputs)

    @property
    def multiple(self) -> int:
        """Heights and widths of maps are multiples of this."""
        return math.lcm(self.region_size or 1, 2**self.detail_levels if self.detail_width else 1)

    @property
    def sees_whole_maps(self) -> bool:
        """Whether a tile would be another thing to it: what is near a pixel decides alone."""
        return False

    @property
    def fewest_groups(self) -> int:
        """Groups of unseen images: every member leaves out one at least."""
        return self.members
