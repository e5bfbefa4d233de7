"""`python -m benchmarks.bench_check`: is the newest run of the history slower than earlier ones on such a processor?"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from statistics import median

from benchmarks.history import Entry, read, runs

#: How much slower than the median of earlier runs a ratio may be; the fastest repeats vary by some percent.
ALLOWED = 0.15
#: Earlier runs that a median needs: between two quiet runs, a day apart, single ratios of kernels of less than a
#: millisecond differed by up to 48 %.
FEWEST = 3


def judge(history: Sequence[Entry]) -> tuple[list[str], bool]:
    """Sentences about the newest run, and whether a ratio has become too slow.

    Runs of uncommitted code and on a busy machine are neither judged nor compared with.
    """
    if not history:
        return ["No run is recorded yet: `make bench` records one."], False
    newest = runs(history)[-1]
    first = newest[0]
    if first.obstacle:
        return [f"The newest run, of {first.date}, is not judged: {first.obstacle}."], False
    earlier = [
        one for one in history if one.processor == first.processor and one.date != first.date and not one.obstacle
    ]
    slower = [text for one in newest if (text := _slower(one, earlier))]
    if slower:
        return slower, True
    entries = Counter(one.name for one in earlier)
    judged = sum(entries[one.name] >= FEWEST for one in newest)
    return [
        f"{judged} of {len(newest)} ratios have {FEWEST} or more earlier entries on {first.processor}, which a"
        f" judgement needs; none is more than {ALLOWED:.0%} slower than their median."
    ], False


def _slower(now: Entry, earlier: Sequence[Entry]) -> str:
    """What to say about a ratio that is too slow; "" otherwise."""
    before = [one.ratio for one in earlier if one.name == now.name]
    if len(before) < FEWEST or (slowdown := median(before) / now.ratio - 1) <= ALLOWED:
        return ""
    return (
        f"{now.name} is {slowdown:.0%} slower: the ratio is {now.ratio:.3g} now and was {median(before):.3g} before"
        f" (median of {len(before)} on {now.processor}); {ALLOWED:.0%} are allowed."
    )


def main() -> None:
    """Print the judgement; exit code 1 if a ratio has become too slow."""
    sentences, failed = judge(read())
    print("\n".join(sentences))
    sys.exit(int(failed))


if __name__ == "__main__":
    main()
