"""docs/architecture.md shows the tree as it is."""

import re
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
PACKAGE = PROJECT / "src" / "prn_pipeline"
PAGE = (PROJECT / "docs" / "architecture.md").read_text()


def shown() -> set[str]:
    """Folders of the tree on the page, by their path below the package."""
    tree = PAGE.split("src/prn_pipeline/\n")[1].split("```")[0]
    found: set[str] = set()
    above: list[str] = []
    for line in tree.splitlines():
        if match := re.match(r"( +)(\w+)/ ", line):
            above = [*above[: len(match[1]) // 2 - 1], match[2]]
            found.add("/".join(above))
    return found


def test_every_folder_has_a_line_and_every_line_a_folder() -> None:
    folders = {
        str(path.parent.relative_to(PACKAGE))
        for path in PACKAGE.rglob("__init__.py")
        if path.parent != PACKAGE and "pipelines/" not in str(path.relative_to(PACKAGE).parent)
    }
    assert shown() == folders


def test_files_that_the_page_names_exist() -> None:
    named = set(re.findall(r"`((?:\w+/)+\w+\.py)`", PAGE))
    assert named
    for name in named:
        assert (PACKAGE / name).is_file() or (PROJECT / name).is_file(), name


def test_files_that_the_guide_for_contributors_names_exist() -> None:
    guide = (PROJECT / "CONTRIBUTING.md").read_text()
    named = set(re.findall(r"`((?:\w+/)+\w+\.(?:py|yml)|(?:\w+/)+)`", guide))
    assert len(named) > 10
    for name in named:
        assert (PACKAGE / name).exists() or (PROJECT / name).exists(), name
