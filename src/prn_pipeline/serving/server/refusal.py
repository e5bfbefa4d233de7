"""Why a request gets no masks: a status, a code for programs and a sentence for people."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType

from prn_pipeline.errors import UserError

#: Status -> code. MLflow's names, where it has one for the case.
CODES: Mapping[int, str] = MappingProxyType(
    {
        HTTPStatus.BAD_REQUEST: "INVALID_PARAMETER_VALUE",
        HTTPStatus.NOT_FOUND: "ENDPOINT_NOT_FOUND",
        HTTPStatus.METHOD_NOT_ALLOWED: "METHOD_NOT_ALLOWED",
        HTTPStatus.REQUEST_TIMEOUT: "REQUEST_TIMEOUT",
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "REQUEST_TOO_LARGE",
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "UNSUPPORTED_MEDIA_TYPE",
        HTTPStatus.INTERNAL_SERVER_ERROR: "INTERNAL_ERROR",
        HTTPStatus.SERVICE_UNAVAILABLE: "TEMPORARILY_UNAVAILABLE",
        HTTPStatus.GATEWAY_TIMEOUT: "DEADLINE_EXCEEDED",
    }
)
#: Seconds after which a client may ask again.
RETRY_AFTER = 1
#: Characters of a sentence that are sent.
LONGEST = 600
#: A word of a sentence that is at least as long, and occurs in the request, is not sent back.
SHORTEST_ECHO = 16


class RefusedError(UserError):
    """A request that gets an error as its answer.

    Attributes:
        status: HTTP status, one of `CODES`.
    """

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def error_of(status: int, sentence: str) -> dict[str, str]:
    """The body of an answer with an error."""
    return {"error_code": CODES.get(status, "INVALID_PARAMETER_VALUE"), "message": sentence[:LONGEST]}


def without_payload(sentence: str, payloads: list[bytes]) -> str:
    """A sentence without what a library's message quotes of a request: passwords travel in wrong places.

    Args:
        sentence: of an error.
        payloads: contents of the request.
    """
    words = sentence.split(" ")
    for position, word in enumerate(words):
        quoted = word.strip("'\"()[]{}<>,:;.").encode(errors="replace")
        if len(quoted) >= SHORTEST_ECHO and any(quoted in payload for payload in payloads):
            words[position] = "..."
    return " ".join(words)
