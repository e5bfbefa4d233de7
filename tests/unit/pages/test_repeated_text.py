"""No paragraph or table stands twice on a page, as after an edit that went wrong."""

from collections import Counter
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[3]
#: Characters from which a block is more than a short sentence or a command that may well be there twice.
LONG = 120
PAGES = [page for page in sorted((PROJECT / "docs").rglob("*.md")) if "_generated" not in page.parts]


@pytest.mark.parametrize("page", [PROJECT / "README.md", *PAGES], ids=lambda page: str(page.relative_to(PROJECT)))
def test_no_long_block_stands_twice(page: Path) -> None:
    blocks = Counter(block for block in page.read_text().split("\n\n") if len(block) >= LONG)
    assert [block for block, count in blocks.items() if count > 1] == []
