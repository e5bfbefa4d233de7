"""Settings of the paper's network."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

#: Names of the losses, see `losses`.
LossKind = Literal["paper", "released", "dice"]
#: Names of the ways in which two branches become one map, see `fusion`.
FusionRule = Literal["paper", "average", "global", "local"]


class PatchRefineNetSettings(BaseModel):
    """Settings of the paper's network and of its loss."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    network: Literal["patch_refine_net"] = "patch_refine_net"
    width: int = Field(32, ge=4, description="channels of the first stage; 32 in the paper")
    grid: Literal[0, 1, 2, 4, 8, 16] = Field(
        8, description="grid cells per side of the local branch; 0: no local branch"
    )
    residual: bool = Field(False, description="predict a correction of the base logit, zero before training")
    shrink: Literal[1, 2, 4] = Field(1, description="work at 1 / shrink of the resolution, without losing pixels")
    shared_norm: bool = Field(True, description="recurrent passes share their batch norm, as in the paper")
    image: bool = Field(False, description="read the image as well as the map")
    image_channels: int = Field(3, ge=1, description="channels of an image; set by the data set")
    loss: LossKind = Field("paper", description="paper, released (as in the released script), or dice (for residual)")
    fusion: FusionRule = Field("paper", description="how the two branches become one map")

    @property
    def arrays(self) -> tuple[str, ...]:
        """Names of the stored arrays that the refiner reads; the base logits come first."""
        return ("logits", "images") if self.image else ("logits",)

    @property
    def multiple(self) -> int:
        """Heights and widths of maps must be multiples of this; the network itself pads, so any size is allowed."""
        return 1

    @property
    def sees_whole_maps(self) -> bool:
        """Whether the refiner needs whole maps: grid cells are fractions of the map, so a tile has other cells."""
        return self.grid > 0

    @property
    def fewest_groups(self) -> int:
        """Smallest number of groups of unseen images: some to learn from, others to select the best epoch."""
        return 2
