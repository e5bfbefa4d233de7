"""`python -m benchmarks.speed_page`: the part of docs/benchmarks.md that is made of benchmarks/history.jsonl."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.history import PROJECT, Entry, read, runs
from benchmarks.results_page import replace_mark
from benchmarks.speed_figure import draw
from prn_pipeline.data.store.atomic import atomic_write

PAGE = PROJECT / "docs" / "benchmarks.md"
PICTURE = PROJECT / "docs" / "images" / "speed.png"
MARK = "speed-history"
HEAD = ("ratio of", "goal", "median of earlier runs", "newest run", "met")


def section(history: Sequence[Entry]) -> str:
    """Markdown: for each processor its newest run, beside the goals and the median of comparable earlier runs."""
    parts = []
    for processor in dict.fromkeys(one.processor for one in history):
        of_processor = [one for one in history if one.processor == processor]
        *earlier, newest = runs(of_processor)
        comparable = [one for run in earlier for one in run if not one.obstacle]
        first = newest[0]
        line = f"{processor}, {first.date}, commit {first.commit[:10]}, load average before the start {first.load:.1f}"
        parts.append(f"{line}; not compared with other runs: {first.obstacle}:" if first.obstacle else f"{line}:")
        rows = [_row(one, [other.ratio for other in comparable if other.name == one.name]) for one in newest]
        parts.append("\n".join(f"| {' | '.join(row)} |" for row in (HEAD, ("---", *["---:"] * 3, "---"), *rows)))
    return "\n\n".join(parts) or "Not measured yet."


def _row(one: Entry, before: Sequence[float]) -> tuple[str, ...]:
    met = "" if one.goal is None else "yes" if one.ratio >= one.goal else "no"
    goal = "" if one.goal is None else f"{one.goal:g}"
    return f"`{one.name}`", goal, f"{median(before):.3g}" if before else "", f"{one.ratio:.3g}", met


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
