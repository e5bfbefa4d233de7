"""A server in a thread of this process, and raw requests to it."""

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from prn_pipeline.serving.predictor import Predictor
from prn_pipeline.serving.server.running import listen, server_of
from prn_pipeline.serving.server.settings import ServerSettings
from prn_pipeline.serving.server.turns import Turns


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def message(self) -> str:
        return str(self.json["message"])


class Running(NamedTuple):
    port: int
    turns: Turns

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def ask(self, body: Any, kind: str = "application/json", path: str = "/invocations", **headers: str) -> Answer:
        """POST a body; values that are not bytes are sent as JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.send("POST", path, content, {"Content-Type": kind, **headers})

    def get(self, path: str) -> Answer:
        return self.send("GET", path)

    def send(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        connection = self.connection()
        try:
            connection.request(method, path, body, headers or {})
            answered = connection.getresponse()
            return Answer(answered.status, dict(answered.getheaders()), answered.read())
        finally:
            connection.close()


@contextmanager
def running(predictor: Predictor, **limits: Any) -> Iterator[Running]:
    settings = ServerSettings(**limits)
    turns = Turns(settings)
    server = server_of(predictor, settings, turns)
    with listen("127.0.0.1", 0) as found:
        found.listen()
        thread = threading.Thread(target=server.run, args=([found],))
        thread.start()
        try:
            yield Running(found.getsockname()[1], turns)
        finally:
            server.should_exit = True
            thread.join(30)
            turns.close()
    assert not thread.is_alive()
