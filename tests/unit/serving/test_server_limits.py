"""A server under clients that send too much, too slowly, too many requests, or that hang up."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
import pytest

from prn_pipeline.errors import UserError
from prn_pipeline.serving.predictor import Predictor
from prn_pipeline.serving.requests import answer
from prn_pipeline.serving.server import application
from tests.unit.serving.running_server import Running, running
from tests.unit.serving.test_server_requests import GOOD, png

ONE = {"instances": [GOOD]}
MIB = 2**20


class Gate:
    """An `answer` that waits until it is let through, or until its request is given up."""

    def __init__(self) -> None:
        self.opened, self.begun, self.hangs = threading.Event(), 0, False
        self.given_up: list[bool] = []

    def __call__(self, predictor: Predictor, table: pd.DataFrame, given_up: Any = None, **params: Any) -> pd.DataFrame:
        self.begun += 1
        while not self.opened.wait(0.01):
            if given_up() and not self.hangs:
                break
        self.given_up.append(given_up())
        return pd.DataFrame([{"mask": "", "height": 1, "width": 1, "foreground": 0.0}])


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    found = Gate()
    monkeypatch.setattr(application, "answer", found)
    yield found
    found.opened.set()


def until(condition: Any) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.01)


def head(size: int | None, kind: str = "application/json") -> bytes:
    length = "Transfer-Encoding: chunked" if size is None else f"Content-Length: {size}"
    return f"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\n{length}\r\n\r\n".encode()


def received(connection: socket.socket) -> bytes:
    """All that comes until the other side closes, or one whole answer in JSON."""
    connection.settimeout(30)
    found = b""
    while not found.endswith(b"}") and (part := connection.recv(65536)):
        found += part
    return found


def is_open(connection: socket.socket) -> bool:
    """Whether the other side still takes what is sent."""
    try:
        connection.sendall(bytes(1024))
    except OSError:
        return False
    return True


def connect(server: Running) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=30)


def test_a_body_that_declares_too_much_is_refused_before_it_is_sent(predictor: Predictor) -> None:
    with running(predictor, megabytes=1) as server, connect(server) as connection:
        connection.sendall(head(10**12))
        assert b"413" in received(connection)
        assert server.ask(ONE).status == 200


def test_a_body_without_a_length_is_refused_when_it_has_become_too_large(predictor: Predictor) -> None:
    with running(predictor, megabytes=1) as server, connect(server) as connection:
        connection.sendall(head(None))
        for _ in range(3):
            connection.sendall(f"{MIB // 2:x}\r\n".encode() + bytes(MIB // 2) + b"\r\n")
        assert b"413" in received(connection)
        assert server.ask(ONE).status == 200


def test_the_rest_of_a_refused_body_is_read_for_a_while_only(predictor: Predictor) -> None:
    with running(predictor, megabytes=1, body_seconds=1) as server, connect(server) as connection:
        connection.sendall(head(10**12))
        assert b"413" in received(connection)
        until(lambda: not is_open(connection))


@pytest.mark.parametrize("sent", [b"", b"POST /invoca", head(100)[:-2]])
def test_a_client_that_does_not_finish_its_head_is_cut_off(predictor: Predictor, sent: bytes) -> None:
    with running(predictor, body_seconds=1) as server, connect(server) as connection:
        connection.sendall(sent)
        assert received(connection) == b""
        assert server.ask(ONE).status == 200


def test_a_body_that_arrives_too_slowly_is_refused(predictor: Predictor) -> None:
    with running(predictor, body_seconds=1) as server, connect(server) as connection:
        connection.sendall(head(100) + b"{")
        assert b"408" in received(connection)
        assert server.ask(ONE).status == 200


def test_bodies_share_the_memory_of_the_server(predictor: Predictor, gate: Gate) -> None:
    large = {"instances": [GOOD], "space": " " * int(1.5 * MIB)}
    with running(predictor, megabytes=2, at_once=1) as server, ThreadPoolExecutor(1) as pool:
        first = pool.submit(server.ask, large)
        until(lambda: gate.begun)
        second = server.ask(large)
        assert (second.status, second.json["error_code"]) == (503, "TEMPORARILY_UNAVAILABLE")
        gate.opened.set()
        assert first.result().status == 200
        assert server.ask(large).status == 200


def test_requests_beyond_those_that_may_wait_are_told_to_come_back(predictor: Predictor, gate: Gate) -> None:
    with running(predictor, at_once=1, waiting=2) as server, ThreadPoolExecutor(3) as pool:
        assert server.get("/ready").status == 200
        asked = [pool.submit(server.ask, ONE) for _ in range(3)]
        until(lambda: server.turns.is_full)
        refused = server.ask(ONE)
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        assert server.get("/ready").status == 503
        assert server.get("/health").status == 200
        assert gate.begun == 1
        gate.opened.set()
        assert [one.result().status for one in asked] == [200] * 3
        assert server.get("/ready").status == 200


def test_a_request_without_an_answer_in_time_gives_up_its_turn(predictor: Predictor, gate: Gate) -> None:
    with running(predictor, at_once=1, seconds=1) as server:
        late = server.ask(ONE)
        assert (late.status, late.json["error_code"]) == (504, "DEADLINE_EXCEEDED")
        until(lambda: gate.given_up == [True])
        gate.opened.set()
        assert server.ask(ONE).status == 200


def test_a_server_whose_turns_never_end_says_that_it_is_not_ready(predictor: Predictor, gate: Gate) -> None:
    gate.hangs = True
    with running(predictor, at_once=1, seconds=1) as server:
        assert server.ask(ONE).status == 504
        assert server.get("/ready").status == 503
        assert server.get("/health").status == 200
        gate.opened.set()
        until(lambda: server.get("/ready").status == 200)
        assert server.ask(ONE).status == 200


def test_who_hangs_up_while_waiting_takes_no_turn(predictor: Predictor, gate: Gate) -> None:
    body = json.dumps(ONE).encode()
    with running(predictor, at_once=1, waiting=1) as server, ThreadPoolExecutor(1) as pool:
        first = pool.submit(server.ask, ONE)
        until(lambda: gate.begun == 1)
        with connect(server) as connection:
            connection.sendall(head(len(body)) + body)
            until(lambda: server.turns.is_full)
        until(lambda: not server.turns.is_full)
        gate.opened.set()
        assert first.result().status == 200
        assert gate.begun == 1


def test_work_that_was_given_up_stops_before_the_next_image(predictor: Predictor) -> None:
    content = png(np.zeros((16, 16, 3), np.uint8))
    asked = iter([False, True])
    with pytest.raises(UserError, match="row 1: given up"):
        answer(predictor, pd.DataFrame({"image": [content] * 3}), given_up=lambda: next(asked))


def test_a_server_that_ends_answers_what_has_arrived(predictor: Predictor, gate: Gate) -> None:
    with ThreadPoolExecutor(1) as pool:
        with running(predictor) as server:
            asked = pool.submit(server.ask, ONE)
            until(lambda: gate.begun)
            threading.Timer(0.3, gate.opened.set).start()
        assert asked.result().status == 200
