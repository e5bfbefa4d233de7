"""Turns of requests: a few are answered at a time, some wait, and none takes for ever."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from http import HTTPStatus
from typing import Any, TypeVar

from prn_pipeline.serving.server.refusal import RefusedError
from prn_pipeline.serving.server.settings import ServerSettings

Answer = TypeVar("Answer")


class ClientGoneError(Exception):
    """The client closed its connection, so that nobody waits for the answer."""


class Turns:
    """Threads that answer requests. All methods belong to the thread of one event loop.

    A thread cannot be stopped from outside. Work whose request has run out of time keeps its turn until it notices
    (`given_up`), so that such work never piles up; if it has taken all turns, the server is stuck.

    Args:
        settings: how many at once, how many wait, and for how long.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self._settings, self._open, self._overdue = settings, 0, 0
        self._threads = ThreadPoolExecutor(settings.at_once, thread_name_prefix="answering")

    @property
    def is_stuck(self) -> bool:
        """Whether every turn is held by work that has run out of time."""
        return self._overdue >= self._settings.at_once

    @property
    def is_full(self) -> bool:
        """Whether the next request would be refused."""
        return self._open >= self._settings.at_once + self._settings.waiting

    async def answer(
        self, work: Callable[[threading.Event], Answer], gone: Callable[[], Coroutine[Any, Any, None]]
    ) -> Answer:
        """What `work` returns, in a thread, when its turn comes.

        Args:
            work: gets an event that is set when nobody waits for its answer any longer.
            gone: returns when the client has gone.

        Raises:
            RefusedError: 503 (too many requests), or 504 (out of time).
            ClientGoneError: the client has gone.
        """
        if self.is_full:
            raise RefusedError(
                HTTPStatus.SERVICE_UNAVAILABLE, f"{self._open} requests are being answered: send this one again later"
            )
        given_up = threading.Event()
        future = self._threads.submit(work, given_up)
        self._open += 1
        loop = asyncio.get_running_loop()
        answered, left = asyncio.wrap_future(future), loop.create_task(gone())
        both: set[asyncio.Future[Any]] = {answered, left}
        future.add_done_callback(lambda ended: loop.call_soon_threadsafe(self._ended, given_up))
        try:
            await asyncio.wait(both, timeout=self._settings.seconds, return_when=asyncio.FIRST_COMPLETED)
            if answered.done():
                return answered.result()
            self._give_up(future, given_up)
            answered.cancel()  # what it may still return or raise is of no interest
            if left.done():
                raise ClientGoneError
            raise RefusedError(
                HTTPStatus.GATEWAY_TIMEOUT,
                f"no answer within {self._settings.seconds:g} s: send fewer or smaller images",
            )
        except asyncio.CancelledError:
            self._give_up(future, given_up)
            raise
        finally:
            left.cancel()

    def close(self) -> bool:
        """Take no more work; return whether all work has ended, so that the process can end normally."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        return self._open == 0

    def _give_up(self, future: Future[Any], given_up: threading.Event) -> None:
        if not future.cancel():  # it has its turn, and keeps it
            given_up.set()
            self._overdue += 1

    def _ended(self, given_up: threading.Event) -> None:
        self._open -= 1
        self._overdue -= given_up.is_set()
