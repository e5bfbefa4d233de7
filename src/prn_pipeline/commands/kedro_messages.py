"""What Kedro logs about a failed run, left out where the command's own message says all of it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from prn_pipeline.commands.user_errors import as_user_error

#: Loggers of Kedro that repeat the error of a node, and say how to run the rest.
LOGGERS = (
    "kedro.pipeline.node",
    "kedro.runner.runner",
    "kedro.runner.sequential_runner",
    "kedro.runner.thread_runner",
    "kedro.runner.parallel_runner",
)


@contextmanager
def user_errors_reported_once() -> Iterator[None]:
    """Within the block, Kedro's loggers say nothing about an error that the command reports as the user's.

    Kedro logs the error of a node before it passes it on, and then that the same command may be repeated, which is
    wrong: the user has to correct something first. A defect is logged as ever.
    """
    for name in LOGGERS:
        logging.getLogger(name).addFilter(_is_news)
    try:
        yield
    finally:
        for name in LOGGERS:
            logging.getLogger(name).removeFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a record is about anything but a user error: Kedro logs while it handles the error."""
    return record.levelno < logging.WARNING or as_user_error(sys.exc_info()[1]) is None
