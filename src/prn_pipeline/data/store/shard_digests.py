"""Digests of shards, which tell a shard from another one whose chunks are intact too.

The checksum of a chunk says that its bytes are those of some chunk, not whose. The digest of a shard is computed from
its index and the checksums of all its chunks, in order. So it needs a few bytes of the file only, and it notices rows
or shards that were exchanged, and shards of another store.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from prn_pipeline.data.store.checksums import digest
from prn_pipeline.data.store.shard_sizes import SHARD_ROWS

#: Bytes of a CRC-32C, at the end of every chunk and of the index.
CRC_BYTES = 4
#: Offset and length of chunks that are not there: rows after the last one.
ABSENT = np.uint64(2**64 - 1)


def index_bytes() -> int:
    """Bytes of the index at the end of a shard: offset and length of every chunk, and a CRC-32C."""
    return SHARD_ROWS * 2 * np.dtype(np.uint64).itemsize + CRC_BYTES


def checksum_ranges(index: bytes) -> list[tuple[int, int]]:
    """First byte, and the byte after the last one, of the checksum of each chunk of a shard, in order."""
    chunks = np.frombuffer(index[:-CRC_BYTES], np.dtype("<u8")).reshape(-1, 2)
    ends = [int(offset) + int(length) for offset, length in chunks if offset != ABSENT]
    return [(end - CRC_BYTES, end) for end in ends]


def shard_digest(index: bytes, checksums: Sequence[bytes]) -> str:
    """Digest of a shard: that of its index, followed by that of the checksums of its chunks."""
    return digest(index) + digest(b"".join(checksums))


def has_index(recorded: str, index: bytes) -> bool:
    """Whether a recorded digest is that of a shard with this index, so that the index can be trusted."""
    return recorded.startswith(digest(index))


def digest_of_file(shard: Path) -> str:
    """Digest of the shard in a file."""
    with shard.open("rb") as file:
        file.seek(-index_bytes(), 2)
        index, checksums = file.read(), []
        for start, end in checksum_ranges(index):
            file.seek(start)
            checksums.append(file.read(end - start))
    return shard_digest(index, checksums)
