"""Reads the next batch while the current one is used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")


def read_ahead(items: Iterable[Item]) -> Iterator[Item]:
    """The same items in the same order, with one item computed in advance by a thread.

    Two items are in memory at a time. An exception is raised in place of its item. Leaving the loop early ends the
    thread after its current item.
    """
    end = object()
    source = iter(items)
    with ThreadPoolExecutor(1, thread_name_prefix="read_ahead") as thread:
        upcoming = thread.submit(next, source, end)
        while (item := upcoming.result()) is not end:
            upcoming = thread.submit(next, source, end)
            yield item  # type: ignore[misc]
