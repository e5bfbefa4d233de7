"""Damaged artefacts are refused, or read as they were written: `benchmarks.bit_flips` does the same at length."""

from pathlib import Path

import pytest

from benchmarks.bit_flips import Damage, equal, flips, losses, outcome_of, tally
from benchmarks.stored_artefacts import KINDS, Artefact

FLIPS = 200


@pytest.mark.parametrize("kind", KINDS)
def test_a_flipped_bit_is_refused_or_changes_nothing(kind: str) -> None:
    found = tally(KINDS[kind], lambda folder: flips(folder, FLIPS))
    assert found["changed"] == found["failed"] == 0, found
    assert found["refused"] + found["unchanged"] == FLIPS
    assert found["refused"] > FLIPS / 2, found


@pytest.mark.parametrize("kind", KINDS)
def test_a_lost_file_is_refused(kind: str) -> None:
    found = tally(KINDS[kind], losses)
    assert found["changed"] == found["failed"] == 0, found
    assert found["refused"] >= found.total() - 1, "half of a note says as much"


def test_a_reader_that_notices_nothing_is_found_out(tmp_path: Path) -> None:
    careless = Artefact(
        lambda folder: (folder / "a").write_bytes(bytes(100)) and None, lambda folder: (folder / "a").read_bytes()
    )
    assert tally(careless, lambda folder: flips(folder, 20)) == {"changed": 20}
    careless.write(tmp_path)
    assert outcome_of(Damage(tmp_path / "a", "missing", None), careless, tmp_path, b"") == "failed"
    assert (tmp_path / "a").read_bytes() == bytes(100), "the file is restored"


def test_values_are_compared_to_the_bit() -> None:
    assert equal({"a": [1, float("nan")]}, {"a": [1, float("nan")]})
    assert not equal({"a": [1, 2.0]}, {"a": [1, 2]})
    assert not equal([1], [1, 2])
