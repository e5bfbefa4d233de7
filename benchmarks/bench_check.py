"""`python -m benchmarks.bench_check`: is the newest run of the history slower than earlier ones on such a processor?

Machines of one kind differ from day to day by more than a slowdown that matters. So a ratio that looks slower is
measured again, in turn with the code of the earlier run, and counts as slower if it is so there, too.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from statistics import median

from benchmarks.history import Entry, read, runs
from benchmarks.measured_again import Ratios, measured_again, same_code

#: How much slower than the median of earlier runs, or than the earlier code, a ratio may be.
ALLOWED = 0.15

Again = Callable[[Sequence[str], Sequence[str]], list[Ratios]]


def judge(
    history: Sequence[Entry], again: Again = measured_again, same: Callable[[str, str, str], bool] = same_code
) -> tuple[list[str], bool]:
    """Sentences about the newest run, and whether a ratio has become too slow.

    Runs of uncommitted code and on a busy machine are neither judged nor compared with.

    Args:
        history: all entries.
        again: measures sections of two commits in turn; see `measured_again`.
        same: whether two commits have the same code, as far as a section reaches it.
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
    suspects = {one.name: text for one in newest if (text := _slower(one, earlier))}
    if suspects:
        return _examined(suspects, first.commit, earlier, again, same)
    known = {one.name for one in earlier}
    compared = sum(one.name in known for one in newest)
    return [
        f"{compared} of {len(newest)} ratios have earlier entries on {first.processor};"
        f" none is more than {ALLOWED:.0%} slower than their median."
    ], False


def _slower(now: Entry, earlier: Sequence[Entry]) -> str:
    """What to say about a ratio that looks too slow; "" otherwise."""
    before = [one.ratio for one in earlier if one.name == now.name]
    if not before or (slowdown := median(before) / now.ratio - 1) <= ALLOWED:
        return ""
    return (
        f"{now.name} is {slowdown:.0%} slower: the ratio is {now.ratio:.3g} now and was {median(before):.3g} before"
        f" (median of {len(before)} on {now.processor}); {ALLOWED:.0%} are allowed."
    )


def _examined(
    suspects: dict[str, str],
    commit: str,
    earlier: Sequence[Entry],
    again: Again,
    same: Callable[[str, str, str], bool],
) -> tuple[list[str], bool]:
    """Sentences about suspects, and whether one of them is slower than the code that it was compared with."""
    sentences, failed = [], False
    by_commit: dict[str, dict[str, str]] = {}
    for name, text in suspects.items():
        before = _compared_with(name, earlier)
        if same(before, commit, _section(name)):
            sentences.append(f"{text} Its code is that of {before[:10]}: the machine has changed.")
        else:
            by_commit.setdefault(before, {})[name] = text
    for before, texts in by_commit.items():
        found, slower = _in_turn(texts, before, commit, again)
        sentences += found
        failed |= slower
    return sentences, failed


def _compared_with(name: str, earlier: Sequence[Entry]) -> str:
    """Commit of the earlier run whose ratio is the median, so that many small steps do not pass one by one."""
    own = [one for one in earlier if one.name == name]
    middle = median(one.ratio for one in own)
    return min(own, key=lambda one: abs(one.ratio - middle)).commit


def _section(name: str) -> str:
    return name.split("/", maxsplit=1)[0]


def _in_turn(texts: dict[str, str], before: str, commit: str, again: Again) -> tuple[list[str], bool]:
    """Sentences about suspects, measured again beside the code of an earlier commit, and whether one is slower."""
    try:
        old, new = again([before, commit], sorted(set(map(_section, texts))))
    except subprocess.CalledProcessError as error:
        why = (error.stderr or "").strip().splitlines()[-1:] or [f"exit code {error.returncode}"]
        return [*texts.values(), f"They could not be measured in turn with {before[:10]}: {why[0]}"], True
    sentences, failed = [], False
    for name, text in texts.items():
        missing = name not in old or name not in new
        slower = missing or old[name] / new[name] - 1 > ALLOWED
        failed |= slower
        if missing:
            sentences.append(f"{text} It could not be measured again, with {before[:10]} or with the current code.")
            continue
        found = f"in turn with {before[:10]} it is {new[name]:.3g}, and {old[name]:.3g} there"
        sentences.append(f"{text} Measured again, {found}: {'confirmed' if slower else 'the code is not slower'}.")
    return sentences, failed


def main() -> None:
    """Print the judgement; exit code 1 if a ratio has become too slow."""
    sentences, failed = judge(read())
    print("\n".join(sentences))
    sys.exit(int(failed))


if __name__ == "__main__":
    main()
