"""What an attack has found."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple, get_args

Kind = Literal["mismatch", "leak", "traceback", "hang"]
KINDS: tuple[Kind, ...] = get_args(Kind)


class Finding(NamedTuple):
    """One thing that is wrong.

    Attributes:
        kind: mismatch: another result than without the attack, or something left behind; leak: a secret where others
            can read it; traceback: an error that is not the project's own; hang: no end within the time limit.
        what: for the reader.
    """

    kind: Kind
    what: str


class Attempt(NamedTuple):
    """One attempt of an attack.

    Attributes:
        findings: what is wrong.
        tries: inputs, kills or runs that it consisted of.
        note: what the table shows of it, such as an outcome; counted.
    """

    findings: list[Finding]
    tries: int = 1
    note: str = ""


@dataclass
class Record:
    """All attempts of one attack.

    Attributes:
        name: of the attack.
        attempts: their number; the number of an attempt, with the seed, repeats it.
        tries: inputs, kills or runs in all of them.
        findings: of each kind, their number.
        seconds: of all attempts.
        skipped: why there were none; "" if there were.
        notes: outcomes and how often they came.
        failed: number of an attempt, and what it found.
    """

    name: str
    attempts: int = 0
    tries: int = 0
    findings: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    seconds: float = 0.0
    skipped: str = ""
    notes: dict[str, int] = field(default_factory=dict)
    failed: list[tuple[int, Finding]] = field(default_factory=list)

    @property
    def found(self) -> bool:
        """Whether anything is wrong."""
        return any(self.findings.values())

    def add(self, number: int, attempt: Attempt, seconds: float) -> None:
        """Count an attempt."""
        self.attempts += 1
        self.tries += attempt.tries
        self.seconds += seconds
        if attempt.note:
            self.notes[attempt.note] = self.notes.get(attempt.note, 0) + 1
        for finding in attempt.findings:
            self.findings[finding.kind] += 1
            self.failed.append((number, finding))

    def as_json(self) -> dict[str, Any]:
        """For soak.json."""
        return asdict(self) | {"failed": [{"attempt": number, **found._asdict()} for number, found in self.failed]}
