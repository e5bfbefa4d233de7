"""How many rows the files of a store hold, and how many a stage holds in memory."""

from __future__ import annotations

#: Samples in one file of a store. A batch as long as a shard is written without reading the file back.
SHARD_ROWS = 32


def rows_in_memory(maps_per_image: int) -> int:
    """Number of rows that a stage holds in memory at a time: about `SHARD_ROWS`, a multiple of `maps_per_image`."""
    return max(1, SHARD_ROWS // maps_per_image) * maps_per_image
