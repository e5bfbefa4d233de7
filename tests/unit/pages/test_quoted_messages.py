"""Messages that docs/troubleshooting.md explains are still in the code."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[3]
PAGE = PROJECT / "docs" / "troubleshooting.md"
#: What differs from case to case, in the quotes of the page and in the strings of the code.
ELLIPSIS = "…"


def quoted() -> list[str]:
    """Messages that the page has as headings."""
    return re.findall(r"^### `(.*)`$", PAGE.read_text(), re.MULTILINE)


@cache
def strings_of_the_code() -> list[str]:
    """Every string of the package, with an ellipsis in place of each value."""
    found = []
    for file in sorted((PROJECT / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.JoinedStr):
                parts = (str(part.value) if isinstance(part, ast.Constant) else ELLIPSIS for part in node.values)
                found.append("".join(parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return found


def is_in_the_code(message: str) -> bool:
    pattern = re.compile(".*?".join(re.escape(piece) for piece in message.split(ELLIPSIS)), re.DOTALL)
    return any(pattern.search(text) for text in strings_of_the_code())


@pytest.mark.parametrize("message", quoted())
def test_a_message_that_the_page_explains_is_in_the_code(message: str) -> None:
    assert len(message.replace(ELLIPSIS, "").strip()) > 15, "enough to tell it from others"
    assert is_in_the_code(message)


def test_a_message_that_the_code_does_not_have_is_noticed() -> None:
    assert len(quoted()) > 20
    assert not is_in_the_code("the moon is made of … cheese: eat it")
