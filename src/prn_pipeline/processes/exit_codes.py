"""The exit codes of `prn` commands, which schedulers and their users rely on."""

from __future__ import annotations

DONE = 0
USER_ERROR = 1
USAGE_ERROR = 2  # click's own
RUNS_FAILED = 3
ALREADY_RUNNING = 4
PULL_FAILED = 5
PUSH_FAILED = 6
INTERRUPTED = 130  # 128 + SIGINT, as a shell reports it
TERMINATED = 143  # 128 + SIGTERM

#: Meaning of each exit code of `prn retrain`. docs/sweeps.md has the same table.
EXIT_CODES = {
    DONE: "done, or nothing had changed",
    USER_ERROR: "an error in the project or its configuration; the last message names it",
    USAGE_ERROR: "an error on the command line; nothing was run",
    RUNS_FAILED: "runs failed, in training or in promotion; all others are done and pushed",
    ALREADY_RUNNING: "another prn retrain or prn benchmark is running in this project; nothing was run",
    PULL_FAILED: "data could not be pulled; nothing was run",
    PUSH_FAILED: "results could not be pushed, and runs may have failed too; the next start pushes them",
    INTERRUPTED: "interrupted by Ctrl-C; the next start continues",
    TERMINATED: "ended by SIGTERM; the next start continues",
}

#: The same table for `prn retrain --help`; click keeps the line breaks of a paragraph that starts with \b.
EXIT_CODES_HELP = "\b\nExit codes:\n" + "\n".join(f"  {code:>3}  {meaning}" for code, meaning in EXIT_CODES.items())


class ExitError(Exception):
    """A command ended early for a reason that has an exit code of its own.

    Args:
        message: the reason, for the user.
        exit_code: one of `EXIT_CODES`.
    """

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code
