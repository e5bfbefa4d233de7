"""Inference on images of any size, tile by tile, in the memory of one tile."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from prn_pipeline.training.tiles import GRID, Tiles

__all__ = ["GRID", "Tiled", "Tiles"]


class Tiled(nn.Module):
    """A network that runs on an image tile by tile and blends the tiles where they overlap.

    At each inner edge of a tile a quarter of the overlap is discarded, because predictions there depend on padding.
    Over the rest of the overlap one tile fades into the next. If the receptive field reaches no farther than the
    discarded quarter, the result is that of the whole image, up to rounding.

    Args:
        network: takes tensors (N,C,h,w) of the same scene, whose sides are integer fractions of those of the first one;
            returns a tensor, or a named tuple of tensors and None, each of which shows the same scene.
        tiles: size and overlap of the tiles.
    """

    def __init__(self, network: nn.Module, tiles: Tiles) -> None:
        super().__init__()
        self.network = network
        self._tiles = tiles

    def forward(self, *inputs: Tensor) -> Any:
        """Output of the network for the whole image."""
        height, width = inputs[0].shape[-2:]
        if max(height, width) <= self._tiles.size:
            return self.network(*inputs)
        sums: list[Tensor | None] = []
        weights: list[Tensor | None] = []
        form: type | None = None
        for rows in _spans(height, self._tiles):
            for columns in _spans(width, self._tiles):
                result = self.network(*(_crop(tensor, rows, columns, height) for tensor in inputs))
                form = None if isinstance(result, Tensor) else type(result)
                for number, output in enumerate((result,) if form is None else result):
                    if number == len(sums):
                        whole = _zeros_for(output, rows, (height, width))
                        sums.append(whole)
                        weights.append(None if whole is None else torch.zeros(whole.shape[-2:], device=whole.device))
                    total, weight = sums[number], weights[number]
                    if output is not None and total is not None and weight is not None:
                        self._add(total, weight, output, rows, columns, (height, width))
        outputs = [None if s is None or w is None else s.div_(w) for s, w in zip(sums, weights, strict=True)]
        return outputs[0] if form is None else form(*outputs)

    def _add(
        self, total: Tensor, weight: Tensor, output: Tensor, rows: slice, columns: slice, size: tuple[int, int]
    ) -> None:
        factor = size[0] // total.shape[-2]
        fade = torch.outer(
            _fade(rows, size[0], self._tiles.overlap, factor), _fade(columns, size[1], self._tiles.overlap, factor)
        ).to(output.device)
        region = (..., _coarser(rows, factor), _coarser(columns, factor))
        total[region] += output.float() * fade
        weight[region] += fade


def _spans(side: int, tiles: Tiles) -> list[slice]:
    """Tiles along one side: the last one ends where the side ends; a side shorter than a tile is one span."""
    if side <= tiles.size:
        return [slice(0, side)]
    starts = [*range(0, side - tiles.size, tiles.size - tiles.overlap), side - tiles.size]
    return [slice(start, start + tiles.size) for start in starts]


def _coarser(span: slice, factor: int) -> slice:
    return slice(span.start // factor, span.stop // factor)


def _crop(tensor: Tensor, rows: slice, columns: slice, height: int) -> Tensor:
    factor = height // tensor.shape[-2]
    return tensor[..., _coarser(rows, factor), _coarser(columns, factor)]


def _zeros_for(output: Tensor | None, rows: slice, size: tuple[int, int]) -> Tensor | None:
    """Float32 zeros in the size of the whole map of which `output` is one tile."""
    if output is None:
        return None
    factor = (rows.stop - rows.start) // output.shape[-2]
    shape = (*output.shape[:-2], size[0] // factor, size[1] // factor)
    return torch.zeros(shape, dtype=torch.float32, device=output.device)


def _fade(span: slice, side: int, overlap: int, factor: int) -> Tensor:
    """Weight of each pixel of a tile along one side: from 0 at inner edges to 1, and 1 at edges of the image."""
    length, shared = (span.stop - span.start) // factor, overlap / factor
    discarded = shared / 4
    position = torch.arange(length) + 0.5
    rise = ((position - discarded) / (shared - 2 * discarded)).clamp(0, 1)
    weight = torch.ones(length)
    if span.start > 0:
        weight = torch.minimum(weight, rise)
    if span.stop < side:
        weight = torch.minimum(weight, rise.flip(0))
    return weight
