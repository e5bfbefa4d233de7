"""`python -m benchmarks.bench_check`: is the newest run of the history slower than earlier ones on such a processor?"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from statistics import median

from benchmarks.history import Entry, read, runs

#: How much slower than the median of earlier runs a ratio may be; the fastest repeats vary by some percent.
ALLOWED = 0.15


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
    known = {one.name for one in earlier}
    compared = sum(one.name in known for one in newest)
    return [
        f"{compared} of {len(newest)} ratios have earlier entries on {first.processor};"
        f" none is more than {ALLOWED:.0%} slower than their median."
    ], False


def _slower(now: Entry, earlier: Sequence[Entry]) -> str:
    """What to say about a ratio that is too slow; "" otherwise."""
    before = [one.ratio for one in earlier if one.name == now.name]
    if not before or (slowdown := median(before) / now.ratio - 1) <= ALLOWED:
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
