"""Zarr's storage, read so that a missing shard is an error: Zarr itself takes it for zeros."""

from __future__ import annotations

from zarr.abc.store import ByteRequest, Store
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import WrapperStore


class CompleteStore(WrapperStore[Store]):
    """A storage all of whose shards are there."""

    async def get(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer | None:
        """The bytes of a file.

        Raises:
            FileNotFoundError: a shard is missing.
        """
        found = await super().get(key, prototype, byte_range)
        if found is None and "/c/" in key:
            raise FileNotFoundError(f"{key} is missing")
        return found
