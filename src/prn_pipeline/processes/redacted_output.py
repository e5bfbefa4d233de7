"""Output of this process without passwords and tokens: what it prints, what it logs, and tracebacks."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Iterable
from typing import Any, TextIO

from prn_pipeline.processes.secrets import redact


class RedactedStream:
    """A text stream that writes to another one, without secrets; in all else it is the other one."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write a text without its secrets; returns the length of the text as it was given."""
        self._stream.write(redact(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write lines."""
        for line in lines:
            self.write(line)

    def __iter__(self) -> Any:
        return iter(self._stream)


class SecretsFilter(logging.Filter):
    """Removes secrets from the message and the traceback of every record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact a record; every record passes."""
        try:
            message = record.getMessage()
        except Exception:  # arguments that do not fit: logging reports it, and shows them
            message, record.args = f"{record.msg} {record.args}", ()
        if (redacted := redact(message)) != message:
            record.msg, record.args = redacted, ()
        if record.exc_info and record.exc_info[1] is not None and not record.exc_text:
            text = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
            if redact(text) != text:  # else the formatter writes it in its own way
                record.exc_text, record.exc_info = redact(text), None
        elif record.exc_text:
            record.exc_text = redact(record.exc_text)
        if record.stack_info:
            record.stack_info = redact(record.stack_info)
        return True


def redact_logs() -> None:
    """Add a `SecretsFilter` to every handler there is, of any logger."""
    loggers = [logging.getLogger(), *(one for one in logging.root.manager.loggerDict.values())]
    for logger in loggers:
        for handler in getattr(logger, "handlers", []):
            if not any(isinstance(one, SecretsFilter) for one in handler.filters):
                handler.addFilter(SecretsFilter())


def redact_output() -> None:
    """From now on this process writes no secrets to its output streams and logs.

    Libraries print too: MLflow prints the address of a run, and Python the traceback of a defect.
    """
    redact_logs()
    for name in ("stdout", "stderr"):
        if not isinstance(stream := getattr(sys, name), RedactedStream) and stream is not None:
            setattr(sys, name, RedactedStream(stream))
