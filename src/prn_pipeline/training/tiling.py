"""Images of any size through a network that memory allows only so much of."""

from __future__ import annotations

from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn

#: Sides of tiles and overlaps are multiples of this: the coarsest grid that networks of this project pool to.
GRID = 32


class Tiles(BaseModel):
    """How an image is cut; where it fits into one tile it is not."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: int = Field(1024, ge=2 * GRID, multiple_of=GRID, description="side of a tile in pixels")
    overlap: int = Field(128, ge=GRID, multiple_of=GRID, description="pixels that neighbours share, blended")

    @model_validator(mode="after")
    def _moves_on(self) -> Tiles:
        if 2 * self.overlap > self.size:
            raise ValueError(f"overlap {self.overlap} is more than half of size {self.size}")
        return self


class Tiled(nn.Module):
    """A network over an image tile by tile, blended where tiles overlap.

    A quarter of the overlap at each inner edge of a tile is thrown away: what a network says there it says of pixels
    that it has made up. Over the rest one tile fades into the next. So a network that looks no farther than that
    quarter gives the same as over the whole image, to rounding.

    Args:
        network: takes tensors (N,C,h,w) that show the same place, h and w whole fractions of the first one's; gives a
            tensor, or a named tuple of tensors and None, of which each shows the place too.
        tiles: how large, and how far they overlap.
    """

    def __init__(self, network: nn.Module, tiles: Tiles) -> None:
        super().__init__()
        self.network = network
        self._tiles = tiles

    def forward(self, *inputs: Tensor) -> Any:
        """What the network gives, of the whole image."""
        height, width = inputs[0].shape[-2:]
        if max(height, width) <= self._tiles.size:
            return self.network(*inputs)
        sums: list[Tensor | None] = []
        weights: list[Tensor | None] = []
        form: type | None = None
        for rows in _spans(height, self._tiles):
            for columns in _spans(width, self._tiles):
                said = self.network(*(_part(tensor, rows, columns, height) for tensor in inputs))
                form = None if isinstance(said, Tensor) else type(said)
                for number, output in enumerate((said,) if form is None else said):
                    if number == len(sums):
                        whole = _room_for(output, rows, (height, width))
                        sums.append(whole)
                        weights.append(None if whole is None else torch.zeros(whole.shape[-2:], device=whole.device))
                    total, weight = sums[number], weights[number]
                    if output is not None and total is not None and weight is not None:
                        self._add(total, weight, output, rows, columns, (height, width))
        found = [None if s is None or w is None else s.div_(w) for s, w in zip(sums, weights, strict=True)]
        return found[0] if form is None else form(*found)

    def _add(
        self, total: Tensor, weight: Tensor, output: Tensor, rows: slice, columns: slice, size: tuple[int, int]
    ) -> None:
        factor = size[0] // total.shape[-2]
        fade = torch.outer(
            _fade(rows, size[0], self._tiles.overlap, factor), _fade(columns, size[1], self._tiles.overlap, factor)
        ).to(output.device)
        place = (..., _coarser(rows, factor), _coarser(columns, factor))
        total[place] += output.float() * fade
        weight[place] += fade


def _spans(side: int, tiles: Tiles) -> list[slice]:
    """Tiles along one side, the last one flush with its end; one that is shorter where the side is."""
    if side <= tiles.size:
        return [slice(0, side)]
    starts = [*range(0, side - tiles.size, tiles.size - tiles.overlap), side - tiles.size]
    return [slice(start, start + tiles.size) for start in starts]


def _coarser(span: slice, factor: int) -> slice:
    return slice(span.start // factor, span.stop // factor)


def _part(tensor: Tensor, rows: slice, columns: slice, height: int) -> Tensor:
    factor = height // tensor.shape[-2]
    return tensor[..., _coarser(rows, factor), _coarser(columns, factor)]


def _room_for(output: Tensor | None, rows: slice, size: tuple[int, int]) -> Tensor | None:
    """Zeros for the whole of what `output` is a tile of, float32."""
    if output is None:
        return None
    factor = (rows.stop - rows.start) // output.shape[-2]
    shape = (*output.shape[:-2], size[0] // factor, size[1] // factor)
    return torch.zeros(shape, dtype=torch.float32, device=output.device)


def _fade(span: slice, side: int, overlap: int, factor: int) -> Tensor:
    """Weight of each pixel of a tile along one side, from 0 at inner edges to 1; 1 at the edges of the image."""
    length, shared = (span.stop - span.start) // factor, overlap / factor
    thrown_away = shared / 4
    place = torch.arange(length) + 0.5
    rise = ((place - thrown_away) / (shared - 2 * thrown_away)).clamp(0, 1)
    weight = torch.ones(length)
    if span.start > 0:
        weight = torch.minimum(weight, rise)
    if span.stop < side:
        weight = torch.minimum(weight, rise.flip(0))
    return weight
