"""How large images are cut into tiles."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator

#: Sides and overlaps of tiles are multiples of this stride, the coarsest that networks of this project pool with.
GRID = 32


class Tiles(BaseModel):
    """How an image is cut into tiles. An image that fits into one tile is not cut."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: int = Field(1024, ge=2 * GRID, multiple_of=GRID, description="side of a tile in pixels")
    overlap: int = Field(
        128, ge=GRID, multiple_of=GRID, description="pixels that neighbouring tiles share, where they are blended"
    )

    @model_validator(mode="after")
    def _check_overlap(self) -> Tiles:
        if 2 * self.overlap > self.size:
            raise ValueError(
                f"overlap {self.overlap} is more than half of size {self.size}: use at most {self.size // 2}"
            )
        return self
