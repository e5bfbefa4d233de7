"""Zarr's storage, read so that a shard that is missing or is another one is an error: Zarr takes absence for zeros."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import numpy as np
from zarr.abc.store import ByteRequest, RangeByteRequest, Store, SuffixByteRequest
from zarr.core.buffer import Buffer, BufferPrototype, default_buffer_prototype
from zarr.storage import WrapperStore

from prn_pipeline.data.store.shard_digests import checksum_ranges, has_index, index_bytes, shard_digest


class CompleteStore(WrapperStore[Store]):
    """A storage all of whose shards are there, each with the chunks that were written, in their order.

    Args:
        store: the storage.
        digests: shard -> its digest, see `shard_digests`. A shard is compared with it before its first read.
    """

    def __init__(self, store: Store, digests: Mapping[str, str]) -> None:
        super().__init__(store)
        self._unchecked = dict(digests)

    def _with_store(self, store: Store) -> CompleteStore:
        return CompleteStore(store, self._unchecked)

    async def get(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer | None:
        """The bytes of a file.

        Raises:
            FileNotFoundError: a shard is missing.
            ValueError: a shard has other chunks than those that were written.
        """
        found = await super().get(key, prototype, byte_range)
        if found is None and "/c/" in key:
            raise FileNotFoundError(f"{key} is missing")
        if found is not None and key in self._unchecked:
            await self._check(key, found.as_numpy_array() if byte_range is None else None)
        return found

    async def _check(self, key: str, content: np.ndarray | None) -> None:
        """Check a shard, whose content uint8 (bytes,) may have been read already."""

        async def part(of: RangeByteRequest | SuffixByteRequest) -> bytes:
            if content is None:
                found = await super(CompleteStore, self).get(key, default_buffer_prototype(), of)
                return b"" if found is None else found.to_bytes()
            return (content[of.start : of.end] if isinstance(of, RangeByteRequest) else content[-of.suffix :]).tobytes()

        recorded = self._unchecked[key]
        index = await part(SuffixByteRequest(index_bytes()))
        ranges = checksum_ranges(index) if has_index(recorded, index) else []
        checksums = await asyncio.gather(*(part(RangeByteRequest(start, end)) for start, end in ranges))
        if shard_digest(index, checksums) != recorded:
            raise ValueError(f"{key} is not the shard that was written")
        self._unchecked.pop(key, None)
