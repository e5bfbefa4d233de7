"""`python -m benchmarks.results_page`: the tables of docs/results.md from the committed scores of all runs."""

from __future__ import annotations

from pathlib import Path

from benchmarks.longer_training import against_longer
from benchmarks.situation_tables import expectations, goals, headline, runs_table
from benchmarks.situations import SITUATIONS
from prn_pipeline.sweep.committed_results import RESULTS

PAGE = Path("docs/results.md")
#: The refiner that tables of one refiner are about.
MAIN = "prn"
EXPECTATIONS, HEADLINE = "expectations", "headline"
README = Path("README.md")


def sections(folder: Path) -> dict[str, str]:
    """Text of each mark on the page."""
    found = [(situation, situation.runs(folder)) for situation in SITUATIONS]
    parts = [(part, part.runs(folder)) for situation in SITUATIONS for part in situation.parts()]
    texts = {EXPECTATIONS: expectations(parts), HEADLINE: headline(parts)}
    for situation, runs in found:
        done = f"{len(runs)} of {len(situation.names())} runs are done (`{situation.command}`)."
        tables = [done, goals(situation, runs), against_longer(runs), runs_table(situation, runs)]
        texts[situation.mark] = "\n\n".join(filter(None, tables))
    return texts


def replace_mark(page: Path, mark: str, text: str) -> None:
    """Replace what lies between the two comments of a mark.

    Raises:
        ValueError: the page lacks them.
    """
    begin, end = f"<!-- {mark}: begin -->", f"<!-- {mark}: end -->"
    old = page.read_text()
    if begin not in old or end not in old:
        raise ValueError(f"{page} has no lines {begin} and {end}: put them where the tables belong")
    before, rest = old.split(begin, 1)
    _, after = rest.split(end, 1)
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}")


def main() -> None:
    """Write every section of the page."""
    for mark, text in sections(RESULTS).items():
        replace_mark(README if mark == HEADLINE else PAGE, mark, text)
    print(PAGE)


if __name__ == "__main__":
    main()
