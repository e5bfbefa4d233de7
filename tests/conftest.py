"""Where the tests find data that is not part of the repository."""

import os
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]


def _outside(variable: str, beside: str) -> Path:
    root = Path(os.environ.get(variable) or PROJECT.parent / "shared" / beside)
    if not root.is_dir():
        pytest.skip(f"no folder {root}: set {variable} to run this test")
    return root


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Folder of real data sets."""
    return _outside("PRN_DATA_ROOT", "datasets")


@pytest.fixture(scope="session")
def reference_root() -> Path:
    """Folder of reference numbers."""
    return _outside("PRN_REFERENCE_ROOT", "reference")
