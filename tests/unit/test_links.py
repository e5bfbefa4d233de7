"""Links between the pages of the project lead somewhere."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
DOCS = [page for page in (PROJECT / "docs").rglob("*.md") if "_generated" not in page.parts]
PAGES = [*PROJECT.glob("*.md"), *DOCS, *(PROJECT / "deploy").rglob("*.md")]
CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)


def links(page: Path) -> Iterator[tuple[str, str]]:
    """Path and anchor of each link of a page to a file of the project."""
    for target in re.findall(r"\]\(([^)\s]+)\)", CODE.sub("", page.read_text())):
        if "://" not in target and not target.startswith("mailto:"):
            path, _, anchor = target.partition("#")
            yield path, anchor


def anchors(page: Path) -> set[str]:
    """What links can name of a page: its headings, as GitHub writes them."""
    headings = re.findall(r"^#+ (.*)$", CODE.sub(lambda found: found[0].strip("`"), page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(
    ("page", "path", "anchor"),
    [(page, *link) for page in PAGES for link in links(page)],
    ids=lambda value: str(value.relative_to(PROJECT)) if isinstance(value, Path) else value,
)
def test_every_link_has_its_target(page: Path, path: str, anchor: str) -> None:
    target = (page.parent / path).resolve() if path else page
    assert target.exists()
    assert not anchor or anchor in anchors(target)


def test_the_readme_names_every_page() -> None:
    named = {(PROJECT / path).resolve() for path, _ in links(PROJECT / "README.md")}
    assert set((PROJECT / "docs").glob("*.md")) <= named
