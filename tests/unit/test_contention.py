"""A measurement knows whether other processes slowed it down."""

import time

import pytest

from prn_pipeline.processes import contention
from prn_pipeline.processes.contention import MAX_WAITING, LoadMeter


def meter_of(waited: list[float | None], monkeypatch: pytest.MonkeyPatch) -> LoadMeter:
    """A meter of a measurement of one second, in which the threads waited from one value to the other."""
    clock, values = iter([100.0, 101.0]), iter(waited)
    monkeypatch.setattr(contention, "waiting_seconds", lambda: next(values))
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    return LoadMeter()


@pytest.mark.parametrize(("share", "expected"), [(0.0, False), (0.5, False), (1.5, True), (20.0, True)])
def test_waiting_for_a_processor_is_load(share: float, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    assert meter_of([7.0, 7.0 + share * MAX_WAITING], monkeypatch).under_load() is expected


@pytest.mark.parametrize(("load", "expected"), [(0.5, False), (4.5, False), (9.0, True)])
def test_where_the_system_hides_it_the_number_of_waiting_processes_decides(
    load: float, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    monkeypatch.setattr("os.getloadavg", lambda: (load, 0.0, 0.0), raising=False)
    assert meter_of([None, None], monkeypatch).under_load() is expected


def test_the_time_that_threads_wait_is_counted() -> None:
    waited = contention.waiting_seconds()
    if waited is None:
        pytest.skip("this system does not count the time that threads wait for a processor")
    assert waited >= 0
