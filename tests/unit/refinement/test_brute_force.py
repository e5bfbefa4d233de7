"""The committed numbers are those that the brute force computes, and they can tell right from wrong."""

import numpy as np
import pytest

from tests.unit.refinement.brute_force import FILE, numbers


@pytest.fixture(scope="module")
def stored() -> dict[str, np.ndarray]:
    with np.load(FILE) as file:
        return dict(file)


def test_the_committed_numbers_are_those_of_their_generator(stored: dict[str, np.ndarray]) -> None:
    made = {f"{name}.{key}": array for name, arrays in numbers().items() for key, array in arrays.items()}
    assert made.keys() == stored.keys()
    assert {key: (array.dtype, array.shape) for key, array in made.items()} == {
        key: (array.dtype, array.shape) for key, array in stored.items()
    }
    differences = {key: np.abs(made[key].astype(float) - stored[key].astype(float)).max() for key in made}
    assert {key: value for key, value in differences.items() if value > 1e-6} == {}


def test_the_file_stays_small() -> None:
    assert FILE.stat().st_size < 200_000


def test_few_numbers_are_trivial(stored: dict[str, np.ndarray]) -> None:
    """Outputs near 0 or 1, one threshold everywhere or branches that agree would hide mistakes."""
    outputs = np.stack([stored["p0.global"], stored["p64.global"], stored["p64.local"]])
    assert ((outputs > 0.05) & (outputs < 0.95)).mean() > 0.8
    assert 0.4 < stored["p64.fused_mask"].mean() < 0.6
    assert 0.02 < (stored["p64.fused_mask"] != (stored["p64.global"][0, 0] > 0.5)).mean() < 0.2
    assert len(np.unique(stored["pseudo_labels.thresholds_8"])) > 10
