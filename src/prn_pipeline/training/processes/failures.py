"""Why a training by several processes failed: a user error, too little memory, or a defect."""

from __future__ import annotations

import json
import signal
from pathlib import Path

from pydantic import BaseModel, TypeAdapter

from prn_pipeline.errors import UserError
from prn_pipeline.training.processes.folder import ERROR_FILES, FAILURES, LOG

#: Seconds after which torch's launcher kills the processes that outlive a failed one.
SHUTDOWN_SECONDS = 30
#: Lines of the log that an error message shows.
LOG_LINES = 30


class ProcessFailure(BaseModel):
    """How one training process ended.

    Attributes:
        rank: rank of the process.
        exit_code: its exit code; -N if signal N ended it.
        delay: seconds since the first failure on its node.
    """

    rank: int
    exit_code: int
    delay: int

    @property
    def was_killed(self) -> bool:
        """Whether something other than the launcher killed the process."""
        return self.exit_code == -signal.SIGKILL and self.delay < SHUTDOWN_SECONDS


#: Content of `folder.FAILURES`.
NodeFailures = TypeAdapter(list[ProcessFailure])


def process_error(training: str, folder: Path, launcher_exit_code: int) -> Exception:
    """The exception that a failed training raises in the run that started it.

    Args:
        training: name of the training.
        folder: the folder that it shares with its processes.
        launcher_exit_code: exit code of this node's launcher; -N if signal N ended it.

    Returns:
        `UserError` if a process raised one, or if a process was killed, which memory is the usual reason for;
        `RuntimeError` for everything else.
    """
    errors = [json.loads(file.read_text())["message"] for file in folder.glob(ERROR_FILES)]
    prefix = f"{UserError.__name__}: "
    for error in errors:
        if error["message"].startswith(prefix):
            return UserError(error["message"].removeprefix(prefix))
    failures = [
        failure
        for file in sorted(folder.glob(FAILURES.format(launcher="*")))
        for failure in NodeFailures.validate_json(file.read_text())
    ]
    # Before the exceptions: a process that is killed closes its connections, and the others raise because of that.
    if launcher_exit_code == -signal.SIGKILL or any(failure.was_killed for failure in failures):
        return UserError(
            f"{training}: a training process was killed (SIGKILL), most likely because memory ran out: lower"
            f" batch_size, memory or processes of the training block, and run again to continue after the last"
            f" finished epoch. {_log_tail(folder)}"
        )
    if errors:
        first = min(errors, key=lambda error: int(error["extraInfo"]["timestamp"]))
        return RuntimeError(
            f"{training}: a training process failed:\n{first['extraInfo']['py_callstack']}\nIts log: {folder / LOG}"
        )
    codes = ", ".join(f"rank {failure.rank}: {failure.exit_code}" for failure in failures)
    return RuntimeError(
        f"{training}: the training processes failed (exit code of their launcher: {launcher_exit_code}; of the"
        f" processes: {codes or 'none'}). {_log_tail(folder)}"
    )


def _log_tail(folder: Path) -> str:
    log = folder / LOG
    lines = log.read_text(errors="replace").splitlines()[-LOG_LINES:]
    return f"The end of the log, {log}:\n" + "\n".join(lines)
