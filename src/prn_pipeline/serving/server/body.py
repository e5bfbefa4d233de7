"""Reading the body of a request: no larger, no slower and no more of them than the server can hold."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from http import HTTPStatus

from prn_pipeline.serving.server.refusal import RefusedError

MIB = 2**20


class Memory:
    """Counts the bytes of all bodies that are in memory.

    Args:
        megabytes: that they may take together, in MiB.
    """

    def __init__(self, megabytes: int) -> None:
        self._limit, self._taken = megabytes * MIB, 0

    @contextmanager
    def of_one_request(self) -> Iterator[Share]:
        """What one request takes; it is given back with the block."""
        share = Share(self)
        try:
            yield share
        finally:
            self._taken -= share.size

    def take(self, size: int) -> None:
        """Take `size` bytes.

        Raises:
            RefusedError: 503, that much is not left.
        """
        if self._taken + size > self._limit:
            raise RefusedError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"requests of {self._limit // MIB} MiB are being answered: send this one again later",
            )
        self._taken += size


class Share:
    """The bytes of one request."""

    def __init__(self, memory: Memory) -> None:
        self._memory, self.size = memory, 0

    def take(self, size: int) -> None:
        """Take `size` bytes more; see `Memory.take`."""
        self._memory.take(size)
        self.size += size


async def read_body(
    chunks: AsyncIterator[bytes], declared: str | None, megabytes: int, seconds: float, share: Share
) -> bytes:
    """The body of a request.

    Args:
        chunks: the body as it arrives.
        declared: the header Content-Length, if any; a body that declares too much is not read at all.
        megabytes: largest body, in MiB.
        seconds: in which it has to arrive.
        share: of the memory that all bodies take.

    Raises:
        RefusedError: 413 (too large), 408 (too slow), or 503 (no memory for it now).
    """
    limit = megabytes * MIB
    if declared is not None and declared.isdecimal() and (len(declared) > 18 or int(declared) > limit):
        raise _too_large(megabytes)
    received = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for chunk in chunks:
                if len(received) + len(chunk) > limit:
                    raise _too_large(megabytes)
                share.take(len(chunk))
                received += chunk
    except TimeoutError:
        raise RefusedError(
            HTTPStatus.REQUEST_TIMEOUT, f"the request did not arrive within {seconds:g} s: send it faster, or in parts"
        ) from None
    return bytes(received)


def _too_large(megabytes: int) -> RefusedError:
    return RefusedError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a request of more than {megabytes} MiB: send fewer images in each"
    )
