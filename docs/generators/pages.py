"""What a build writes before Sphinx reads the pages, and links that lead out of docs/."""

from __future__ import annotations

import hashlib
import posixpath
import re
from pathlib import Path

from docs.generators.command_reference import command_page, exit_code_table
from docs.generators.public_names import PAGES, names_page
from docs.generators.settings_reference import settings_page

#: File outside of docs/ -> the page that includes it.
INCLUDED = {
    "../README.md": "index.md",
    "../README.md#words": "reference/words.md",
    "../CONTRIBUTING.md": "project/contributing.md",
    "../CHANGELOG.md": "project/changes.md",
    "../deploy/README.md": "how_to/schedules.md",
}


def generated_pages() -> dict[str, str]:
    """Name of each generated part -> its Markdown."""
    pages = {
        "commands.md": command_page(),
        "exit_codes.md": exit_code_table(),
        "settings.md": settings_page(),
    }
    return pages | {f"names_{page}.md": names_page(page) for page in PAGES}


CHART = re.compile(r"^```mermaid\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def draw_charts(page: str, text: str, folder: Path) -> str:
    """A page with a picture, drawn into `folder`, in place of each flow chart of Mermaid."""

    def drawn(found: re.Match[str]) -> str:
        name = f"chart-{hashlib.sha256(found[1].encode()).hexdigest()[:12]}.svg"
        if not (folder / name).exists():
            from docs.figures.flow_chart import draw_chart

            draw_chart(found[1]).savefig(folder / name)
        above = "../" * page.count("/")
        caption = "*Orange boxes are stages, blue ones with round corners artefacts.*"
        return f"![Flow chart]({above}{folder.name}/{name})\n\n{caption}"

    return CHART.sub(drawn, text)


def write_pages(folder: Path) -> None:
    """Write the parts that have changed, so that Sphinx builds only pages that include them."""
    folder.mkdir(exist_ok=True)
    for name, text in generated_pages().items():
        file = folder / name
        if not file.exists() or file.read_text() != text:
            file.write_text(text)


def rewrite_links(page: str, text: str) -> str:
    """A page with its links to `INCLUDED` led to the pages of the site.

    Args:
        page: path of the page below docs/, without suffix.
        text: its Markdown.
    """
    folder = posixpath.dirname(page)

    def led(found: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, found[1]))
        path = INCLUDED.get(target) or INCLUDED.get(target.partition("#")[0])
        return f"]({posixpath.relpath(path, folder or '.')})" if path else found[0]

    return re.sub(r"\]\(([^)\s]+)\)", led, text)
