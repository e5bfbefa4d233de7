"""What is wrong with how a command ended."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.soak.children import Ended
from benchmarks.soak.record import Finding

#: Characters of its output in a finding.
SHOWN = 2000


def judged(ended: Ended, command: Sequence[str], *codes: int) -> list[Finding]:
    """Findings about a command that should have ended with one of these exit codes (0), and without a traceback."""
    findings = []
    name = " ".join(command[:2])
    if ended.has_traceback:
        findings.append(Finding("traceback", f"{name}: {ended.output[-SHOWN:]}"))
    elif ended.code not in (codes or (0,)):
        findings.append(Finding("mismatch", f"{name} ended with {ended.code}: {ended.output[-SHOWN:]}"))
    return findings


def refused(ended: Ended, command: Sequence[str], message: str) -> list[Finding]:
    """Findings about a command that should have ended with one line that says `message`, unless it ended with 0."""
    findings = judged(ended, command, 0, 1)
    lines = [line for line in ended.output.splitlines() if line.startswith("Error: ")]
    if ended.code and (len(lines) != 1 or message not in lines[0]):
        findings.append(
            Finding("mismatch", f"{' '.join(command[:2])}: not one line with {message!r}: {ended.output[-SHOWN:]}")
        )
    return findings


def differing(found: dict[str, bytes], expected: dict[str, bytes]) -> str:
    """Some of the files that are missing, too many or of another content."""
    names = [name for name in sorted(found.keys() | expected.keys()) if found.get(name) != expected.get(name)]
    return ", ".join(names[:5])
