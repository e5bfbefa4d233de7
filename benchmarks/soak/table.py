"""The soak's table."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.soak.record import KINDS, Record

#: Findings of an attack that are printed in full.
MAX_LISTED = 5
PLURALS = {"mismatch": "mismatches", "leak": "leaks", "traceback": "tracebacks", "hang": "hangs"}


def table(records: Sequence[Record]) -> str:
    """One row per attack, in Markdown."""
    columns = ["attack", "attempts", "tries", *(PLURALS[kind] for kind in KINDS), "seconds", "notes"]
    lines = [f"| {' | '.join(columns)} |", "|---" + "|---:" * (len(columns) - 2) + "|---|"]
    for one in records:
        notes = f"skipped: {one.skipped}" if one.skipped else ", ".join(f"{n} {what}" for what, n in one.notes.items())
        counts = [one.attempts, one.tries, *(one.findings[kind] for kind in KINDS), f"{one.seconds:.0f}"]
        lines.append(f"| {one.name} | {' | '.join(map(str, counts))} | {notes} |")
    return "\n".join(lines)


def failures(record: Record, seed: int) -> str:
    """What an attack has found, and how to repeat it."""
    lines = [f"{record.name}:"]
    for number, finding in record.failed[:MAX_LISTED]:
        lines.append(f"  {finding.kind}: {finding.what}")
        lines.append(f"    again: python -m benchmarks.soak --attacks '{record.name}' --seed {seed} --attempt {number}")
    if len(record.failed) > MAX_LISTED:
        lines.append(f"  and {len(record.failed) - MAX_LISTED} more, in the JSON file")
    return "\n".join(lines)
