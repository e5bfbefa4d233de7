"""A refiner by name: network, input, loss, fusion."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from prn_pipeline.refinement.fusion import FusionRule
from prn_pipeline.refinement.losses import LossKind


class RefinerSettings(BaseModel):
    """A PatchRefineNet and what it is taught."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    width: int = Field(32, ge=4, description="channels of the first stage; 32 in the paper")
    grid: Literal[0, 1, 2, 4, 8, 16] = Field(8, description="cells a side of the local branch; 0: no local branch")
    residual: bool = Field(False, description="predict a correction of the base logit, zero before training")
    shrink: Literal[1, 2, 4] = Field(1, description="work at 1 / shrink of the resolution, without losing a pixel")
    shared_norm: bool = Field(True, description="recurrent passes share their batch norm, as in the paper")
    image: bool = Field(False, description="the image beside the map")
    loss: LossKind = Field("paper", description="paper, released (what its script computes), or dice (for residual)")
    fusion: FusionRule = Field("paper", description="how the two branches become one map")

    @property
    def arrays(self) -> tuple[str, ...]:
        """Names of the stored arrays that the refiner reads, the base logits first."""
        return ("logits", "images") if self.image else ("logits",)
