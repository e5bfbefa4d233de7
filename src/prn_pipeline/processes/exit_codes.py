"""How `prn retrain` ends: what a scheduler, and the people it tells, can rely on."""

from __future__ import annotations

DONE, MISTAKE, RUNS_FAILED, ANOTHER_RUNS, PULL_FAILED, PUSH_FAILED, INTERRUPTED, TERMINATED = (
    0,
    1,
    3,
    4,
    5,
    6,
    130,
    143,
)

#: Exit code -> what it means. 2 is click's own.
EXIT_CODES = {
    DONE: "done, or nothing had changed",
    MISTAKE: "a mistake in the project or its configuration, which the last message names",
    2: "a mistake on the command line; nothing was run",
    RUNS_FAILED: "runs failed, in training or in promotion; all others are done and pushed",
    ANOTHER_RUNS: "another prn retrain or prn benchmark is running in this project; nothing was run",
    PULL_FAILED: "data could not be pulled; nothing was run",
    PUSH_FAILED: "results could not be pushed, and runs may have failed besides; the next start pushes them",
    INTERRUPTED: "interrupted by Ctrl-C; the next start continues",
    TERMINATED: "ended by SIGTERM; the next start continues",
}

#: The same, for `prn retrain --help`; click leaves the lines after \b as they are.
EXIT_CODES_HELP = "\b\nExit codes:\n" + "\n".join(f"  {code:>3}  {meaning}" for code, meaning in EXIT_CODES.items())


class ExitError(Exception):
    """A retraining ended before its end, by no mistake of its user's.

    Args:
        message: why, for people.
        exit_code: of `EXIT_CODES`.
    """

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code
