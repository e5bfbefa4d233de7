"""A refiner by name: network, inputs, loss, fusion."""

import math
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from prn_pipeline.errors import UserError
from prn_pipeline.refinement.fusion import FusionRule
from prn_pipeline.refinement.losses import LossKind
from prn_pipeline.refinement.readings import Reading, in_order


class PatchRefineNetSettings(BaseModel):
    """The paper's network and what it is taught."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    network: Literal["patch_refine_net"] = "patch_refine_net"
    width: int = Field(32, ge=4, description="channels of the first stage; 32 in the paper")
    grid: Literal[0, 1, 2, 4, 8, 16] = Field(8, description="cells a side of the local branch; 0: no local branch")
    residual: bool = Field(False, description="predict a correction of the base logit, zero before training")
    shrink: Literal[1, 2, 4] = Field(1, description="work at 1 / shrink of the resolution, without losing a pixel")
    shared_norm: bool = Field(True, description="recurrent passes share their batch norm, as in the paper")
    image: bool = Field(False, description="the image beside the map")
    image_channels: int = Field(3, ge=1, description="of an image; the data set says how many")
    loss: LossKind = Field("paper", description="paper, released (what its script computes), or dice (for residual)")
    fusion: FusionRule = Field("paper", description="how the two branches become one map")

    @property
    def arrays(self) -> tuple[str, ...]:
        """Names of the stored arrays that the refiner reads, the base logits first."""
        return ("logits", "images") if self.image else ("logits",)

    @property
    def multiple(self) -> int:
        """Heights and widths of maps are multiples of this; the network pads what is not."""
        return 1

    @property
    def sees_whole_maps(self) -> bool:
        """Whether its cells are shares of the whole map, so that a tile would be another thing to it."""
        return self.grid > 0


class RegionDetailSettings(BaseModel):
    """A few small networks that correct the base logit, one a part of the maps, and what they are taught."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    network: Literal["region_detail"]
    reads: Annotated[tuple[Reading, ...], AfterValidator(in_order)] = Field(
        (), description="beside the logits: views, features, images"
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
        return ("logits", *self.reads)

    @property
    def multiple(self) -> int:
        """Heights and widths of maps are multiples of this."""
        return math.lcm(self.region_size or 1, 2**self.detail_levels if self.detail_width else 1)

    @property
    def sees_whole_maps(self) -> bool:
        """Whether a tile would be another thing to it: what is near a pixel decides alone."""
        return False


RefinerSettings = PatchRefineNetSettings | RegionDetailSettings

#: Settings by the name of their network.
NETWORKS: dict[str, type[PatchRefineNetSettings] | type[RegionDetailSettings]] = {
    "patch_refine_net": PatchRefineNetSettings,
    "region_detail": RegionDetailSettings,
}


def settings_class(values: dict[str, Any]) -> type[PatchRefineNetSettings] | type[RegionDetailSettings]:
    """Which settings `values` are, by their `network`.

    Raises:
        UserError: there is no such network.
    """
    name = values.get("network", "patch_refine_net")
    if name not in NETWORKS:
        raise UserError(f"network {name!r} of a refiner is unknown; there are {', '.join(NETWORKS)}")
    return NETWORKS[name]


def read_settings(values: dict[str, Any]) -> RefinerSettings:
    """Settings from their dict, e.g. of a trained refiner's JSON."""
    return settings_class(values).model_validate(values)
