"""Reading ahead changes nothing but the time."""

import threading
from collections.abc import Iterator

import pytest

from prn_pipeline.data.store.read_ahead import read_ahead


def test_items_come_in_order_and_none_is_lost() -> None:
    assert list(read_ahead(range(100))) == list(range(100))
    assert list(read_ahead([])) == []
    assert list(read_ahead([None, 0, ""])) == [None, 0, ""]


def test_the_next_item_is_computed_while_the_caller_works() -> None:
    made = [threading.Event() for _ in range(3)]

    def items() -> Iterator[int]:
        for number, event in enumerate(made):
            event.set()
            yield number

    stream = read_ahead(items())
    assert next(stream) == 0
    assert made[1].wait(timeout=120)  # only a missing thread takes that long
    stream.close()


def test_at_most_one_item_is_computed_in_advance() -> None:
    made: list[int] = []
    taken = []
    for item in read_ahead(made.append(number) or number for number in range(20)):
        taken.append(item)
        assert len(made) <= item + 3  # this item, the one in advance, and one that is just being computed
    assert taken == list(range(20))


def test_an_exception_is_raised_in_place_of_its_item() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("a broken chunk")

    stream = read_ahead(items())
    assert next(stream) == 1
    with pytest.raises(ValueError, match="a broken chunk"):
        next(stream)


def test_leaving_early_ends_the_thread() -> None:
    def running() -> list[str]:
        return [thread.name for thread in threading.enumerate() if thread.name.startswith("read_ahead")]

    for item in read_ahead(range(1000)):
        if item == 3:
            break
    assert running() == []
