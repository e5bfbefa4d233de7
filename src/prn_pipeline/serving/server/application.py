"""The server's addresses: POST /invocations, GET /ping, /health, /ready and /version."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import threading
from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from importlib.metadata import version
from typing import NamedTuple

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from prn_pipeline.errors import UserError
from prn_pipeline.serving.predictor import Predictor
from prn_pipeline.serving.requests import answer, columns_of
from prn_pipeline.serving.server.body import Memory, read_body
from prn_pipeline.serving.server.refusal import RETRY_AFTER, error_of, without_payload
from prn_pipeline.serving.server.settings import ServerSettings
from prn_pipeline.serving.server.table import JSON, read_request
from prn_pipeline.serving.server.turns import ClientGoneError, Turns

PNG = "image/png"
#: Addresses that say that the process answers; load balancers ask for one or the other.
ALIVE = ("/ping", "/health")
#: Status for the log of a request whose client has gone; nobody receives it.
CLIENT_GONE = 499
#: Base64 takes four characters for three bytes; the rest is for the names and brackets around.
MAX_OVERHEAD = 1.4

logger = logging.getLogger(__name__)


class Content(NamedTuple):
    """The body of an answer, and its type."""

    body: bytes
    media_type: str


def application(predictor: Predictor, settings: ServerSettings, turns: Turns) -> Starlette:
    """The server of a predictor, as an ASGI application."""
    memory = Memory(settings.megabytes)
    largest = min(settings.megabytes, int(predictor.settings.limits.request_megabytes * MAX_OVERHEAD) + 1)

    async def invocations(request: Request) -> Response:
        """Masks of the images in a request."""
        with memory.of_one_request() as share:
            body = await read_body(
                request.stream(), request.headers.get("content-length"), largest, settings.body_seconds, share
            )
            content_type, query = request.headers.get("content-type", ""), dict(request.query_params)
            as_picture = request.headers.get("accept", "").partition(";")[0].strip() == PNG
            work = partial(answered, predictor, body, content_type, query, as_picture)
            content = await turns.answer(work, partial(_gone, request))
        return Response(content.body, media_type=content.media_type)

    def alive(request: Request) -> Response:
        """The process answers."""
        return PlainTextResponse("ok\n")

    def ready(request: Request) -> Response:
        """A request that is sent now would be answered."""
        if turns.is_stuck:
            return _error(
                HTTPStatus.SERVICE_UNAVAILABLE, "every turn is held by a request that does not end: restart me"
            )
        if turns.is_full:
            return _error(HTTPStatus.SERVICE_UNAVAILABLE, "as many requests are waiting as may wait")
        return PlainTextResponse("ready\n")

    def versions(request: Request) -> Response:
        return JSONResponse({"prn_pipeline": version("prn_pipeline"), "made_by": predictor.settings.made_by})

    return Starlette(
        routes=[
            Route("/invocations", invocations, methods=["POST"]),
            *(Route(path, alive, methods=["GET"]) for path in ALIVE),
            Route("/ready", ready, methods=["GET"]),
            Route("/version", versions, methods=["GET"]),
        ],
        exception_handlers={
            UserError: lambda request, error: _error(getattr(error, "status", HTTPStatus.BAD_REQUEST), str(error)),
            HTTPException: _not_here,
            ClientGoneError: lambda request, error: Response(status_code=CLIENT_GONE),
            ClientDisconnect: lambda request, error: Response(status_code=CLIENT_GONE),
            Exception: _defect,
        },
    )


def answered(
    predictor: Predictor,
    body: bytes,
    content_type: str,
    query: Mapping[str, str],
    as_picture: bool,
    given_up: threading.Event,
) -> Content:
    """The answer to a request.

    Args:
        predictor: makes the masks.
        body: of the request.
        content_type: of the body.
        query: parameters in the address.
        as_picture: the mask of a single image as a PNG, instead of JSON.
        given_up: nobody waits for the answer any longer.

    Raises:
        UserError: the request is invalid; the message quotes nothing of it.
    """
    asked = read_request(body, content_type, query, columns_of(predictor), predictor.settings.limits.images)
    if as_picture and len(asked.table) != 1:
        raise UserError(
            f"{len(asked.table)} images, expected 1 with the header Accept: {PNG}; leave it out to get JSON"
        )
    try:
        table = answer(predictor, asked.table, **asked.params, given_up=given_up.is_set)
    except UserError as error:
        files = [value for name in asked.table for value in asked.table[name] if isinstance(value, bytes)]
        raise UserError(without_payload(str(error), files)) from None
    if as_picture:
        return Content(base64.b64decode(table["mask"].iloc[0]), PNG)
    return Content(json.dumps({"predictions": table.to_dict("records")}).encode(), JSON)


async def _gone(request: Request) -> None:
    """Wait until the client closes its connection."""
    while (await request.receive())["type"] != "http.disconnect":
        await asyncio.sleep(0)


def _error(status: int, sentence: str) -> Response:
    headers = {"Retry-After": str(RETRY_AFTER)} if status == HTTPStatus.SERVICE_UNAVAILABLE else None
    return JSONResponse(error_of(status, sentence), status, headers)


def _not_here(request: Request, error: Exception) -> Response:
    """What is said of an unknown address or method."""
    status = error.status_code if isinstance(error, HTTPException) else HTTPStatus.BAD_REQUEST
    return _error(status, f"expected POST /invocations, or GET {', GET '.join((*ALIVE, '/ready', '/version'))}")


def _defect(request: Request, error: Exception) -> Response:
    """What is said of a defect: nothing that could help an attacker; the log has its traceback."""
    return _error(HTTPStatus.INTERNAL_SERVER_ERROR, "a defect of the server: its log has the traceback")
