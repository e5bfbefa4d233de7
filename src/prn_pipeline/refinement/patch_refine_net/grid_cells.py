"""Moves grid cells into the batch dimension and back, so that one call decodes all cells independently."""

from __future__ import annotations

from torch import Tensor

RELEASED_GRID = 8
RELEASED_HALF_RESOLUTION_ROWS = [0, 1, 2, 3, 4, 5, 2, 7]


def split_into_cells(x: Tensor, grid: int) -> Tensor:
    """Split maps into `grid` x `grid` cells, stacked along the batch dimension.

    Args:
        x: (N, C, H, W) with H and W divisible by `grid`.
        grid: grid cells per side.

    Returns:
        (N * grid * grid, C, H / grid, W / grid), row by row within an image, in the channels-last memory layout that
        the convolutions of a channels-last model expect.
    """
    n, c, height, width = x.shape
    h, w = height // grid, width // grid
    tiled = x.permute(0, 2, 3, 1).reshape(n, grid, h, grid, w, c).transpose(2, 3)
    return tiled.reshape(n * grid * grid, h, w, c).permute(0, 3, 1, 2)


def join_cells(cells: Tensor, grid: int) -> Tensor:
    """Undo `split_into_cells`: (N * grid * grid, C, h, w) -> (N, C, grid * h, grid * w)."""
    n, c, h, w = cells.shape
    images = n // (grid * grid)
    tiled = cells.permute(0, 2, 3, 1).reshape(images, grid, grid, h, w, c).transpose(2, 3)
    return tiled.reshape(images, grid * h, grid * w, c).permute(0, 3, 1, 2)


def with_upstream_bug(half_resolution_cells: Tensor) -> Tensor:
    """Replace the half-resolution skip of the seventh row of cells by that of the third row, as the released P64 does.

    This is a bug of the released model, and its published weights were trained with it: our outputs agree with the
    reference to 2e-6 with the bug, and differ by 0.07 without. No other skip and no other row is affected.

    Args:
        half_resolution_cells: (N * 64, C, h, w), cells of the skip at half resolution, 8 x 8 per image.

    Returns:
        The same shape.
    """
    rows = half_resolution_cells.unflatten(0, (-1, RELEASED_GRID, RELEASED_GRID))
    return rows[:, RELEASED_HALF_RESOLUTION_ROWS].flatten(0, 2)
