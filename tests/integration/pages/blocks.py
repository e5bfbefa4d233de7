"""Code blocks of the README and the pages, and the commands in blocks of a shell."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PROJECT = Path(__file__).resolve().parents[3]
FENCE = re.compile(r"^( *)```(\S*)[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)

#: What is no code: output, trees of folders, diagrams, and directives of the site. Cells are those of notebooks.
NO_CODE = {"", "text", "mermaid", "{toctree}", "{include}", "{code-cell}", "{eval-rst}"}


class Block(NamedTuple):
    """One fenced block: its page, the line of its first fence, its language and text."""

    page: str
    line: int
    language: str
    text: str

    @property
    def name(self) -> str:
        """For the output of tests."""
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """The README and all pages of docs/ that are written by hand."""
    found = sorted((PROJECT / "docs").rglob("*.md"))
    return [PROJECT / "README.md", *(page for page in found if "_generated" not in page.parts)]


def blocks(language: str | None = None) -> list[Block]:
    """All blocks, or those of one language."""
    found = [block for page in pages() for block in _blocks(page)]
    return [block for block in found if language in (None, block.language)]


def _blocks(page: Path) -> Iterator[Block]:
    text, name = page.read_text(), str(page.relative_to(PROJECT))
    for match in FENCE.finditer(text):
        yield Block(name, text.count("\n", 0, match.start()) + 1, match[2], textwrap.dedent(match[3]))


#: A word with its quotes, a comment, or what separates commands.
WORD = re.compile(r"""#.*|(?:[^\s"';&]|"[^"]*"|'[^']*')+|[;&]+""")


def commands(block: Block) -> list[str]:
    """The commands of a block, without comments."""
    found = []
    for line in block.text.replace("\\\n", " ").splitlines():
        command: list[str] = []
        for word in [*WORD.findall(line), ";"]:
            if word[0] in ";&":
                found += [" ".join(command)] if command else []
                command = []
            elif word[0] != "#":
                command.append(word)
    return found
