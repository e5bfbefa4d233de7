"""Running the server until it is told to end."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from contextlib import suppress

import uvicorn

from prn_pipeline.errors import UserError
from prn_pipeline.processes.exit_codes import ExitError
from prn_pipeline.processes.signals import graceful_shutdown
from prn_pipeline.serving.predictor import Predictor
from prn_pipeline.serving.server.application import application
from prn_pipeline.serving.server.connection import patient_for
from prn_pipeline.serving.server.settings import ServerSettings
from prn_pipeline.serving.server.turns import Turns


def serve(
    predictor: Predictor, host: str, port: int, settings: ServerSettings, listening: Callable[[str], None]
) -> None:
    """Answer requests until SIGTERM or Ctrl-C; those that have arrived by then are still answered.

    Args:
        predictor: makes the masks.
        host: address to listen at.
        port: likewise; 0 takes a free one.
        settings: limits.
        listening: called with the server's address before the first request is answered.

    Raises:
        UserError: it cannot listen there.
    """
    turns = Turns(settings)
    with listen(host, port) as found:
        listening(f"http://{host}:{found.getsockname()[1]}")
        with suppress(ExitError), graceful_shutdown():  # uvicorn raises the signal again when it has ended
            server_of(predictor, settings, turns).run(sockets=[found])
    if not turns.close():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)  # a thread that never ends would keep the process alive


def server_of(predictor: Predictor, settings: ServerSettings, turns: Turns) -> uvicorn.Server:
    """The server, which does not listen yet."""
    config = uvicorn.Config(
        application(predictor, settings, turns),
        http=patient_for(settings.body_seconds),
        ws="none",
        limit_concurrency=settings.connections,
        timeout_graceful_shutdown=int(settings.seconds) + 1,
        server_header=False,
        log_level="info",
    )
    return uvicorn.Server(config)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        UserError: it cannot listen there.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((host, port))
    except (OSError, OverflowError) as error:
        found.close()
        raise UserError(
            f"cannot listen at {host}:{port} ({error}): choose another --port, or a --host of this machine"
        ) from None
    return found
