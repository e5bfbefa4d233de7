"""`python -m benchmarks.speed_page`: the part of docs/benchmarks.md that is made of benchmarks/history.jsonl."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.history import PROJECT, Entry, read
from benchmarks.results_page import replace_mark
from benchmarks.speed_figure import draw
from prn_pipeline.data.store.atomic import atomic_write

PAGE = PROJECT / "docs" / "benchmarks.md"
PICTURE = PROJECT / "docs" / "images" / "speed.png"
MARK = "speed-history"
HEAD = ("ratio of", "goal", "before: median", "newest", "met", "date", "commit", "load")
NOTE = "\\* not compared with other runs: the machine was busy, or the code was not committed."


def section(history: Sequence[Entry]) -> str:
    """Markdown: for each processor the newest entry of each ratio, with the median of the comparable ones before."""
    parts = []
    for processor in dict.fromkeys(one.processor for one in history):
        of_processor = [one for one in history if one.processor == processor]
        rows = [HEAD, ("---", *["---:"] * 3, "---", "---", "---", "---:")]
        rows += [_row([one for one in of_processor if one.name == name]) for name in _names(of_processor)]
        parts += [f"{processor}:", "\n".join(f"| {' | '.join(row)} |" for row in rows)]
    if any(one.obstacle for one in history):
        parts.append(NOTE)
    return "\n\n".join(parts) or "Not measured yet."


def _names(history: Sequence[Entry]) -> list[str]:
    return list(dict.fromkeys(one.name for one in history))


def _row(of_name: Sequence[Entry]) -> tuple[str, ...]:
    *earlier, newest = of_name
    before = [one.ratio for one in earlier if not one.obstacle]
    goal, met = "", ""
    if newest.goal is not None:
        goal, met = f"{newest.goal:g}", "yes" if newest.ratio >= newest.goal else "no"
    shown = f"{newest.ratio:.3g}{' *' if newest.obstacle else ''}"
    median_before = f"{median(before):.3g}" if before else ""
    return (
        f"`{newest.name}`",
        goal,
        median_before,
        shown,
        met,
        newest.date[:10],
        newest.commit[:10],
        f"{newest.load:.1f}",
    )


def main(page: Path = PAGE, picture: Path = PICTURE) -> None:
    """Write the table and the picture."""
    history = read()
    replace_mark(page, MARK, section(history))
    if history:
        with atomic_write(picture) as temporary:
            temporary.write_bytes(draw(history))
    print(page)


if __name__ == "__main__":
    main()
