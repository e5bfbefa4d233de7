"""Fixtures shared by the tests of networks, and the numbers that they have to agree with."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.conftest import outside
from tests.unit.refinement import brute_force


@pytest.fixture(scope="session", params=["brute_force", "paper"])
def reference_root(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of reference numbers: our own by brute force, and where they are present those of the authors' code."""
    if request.param == "paper":
        return outside("PRN_REFERENCE_ROOT", "reference")
    folder = tmp_path_factory.mktemp("brute_force")
    brute_force.write_folder(folder)
    return folder


@pytest.fixture
def one_thread() -> Iterator[None]:
    """One torch thread: for the small layers of tests, starting threads takes longer than computing."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
