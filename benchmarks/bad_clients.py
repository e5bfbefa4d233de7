"""`python -m benchmarks.bad_clients PORT SECONDS`: clients of a server that do what clients should not do.

Each kind has a thread, which acts five times a second until the time is up. Prints a JSON object: kind -> what came of
it (a status, or none) -> how often.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from benchmarks.hostile_files import PICTURES

EVERY = 0.2
MIB = 2**20
#: An answer that never came, or came after the client had gone.
NONE = "none"


class Bad(NamedTuple):
    """A kind of bad client.

    Attributes:
        requests: complete requests or beginnings of one; the client sends one of them, in turn.
        then: what it does after it has sent one: return the status, or leave.
    """

    requests: list[bytes]
    then: Callable[[socket.socket], str]


def post(body: bytes, kind: str = "application/json", size: int | None = None) -> bytes:
    """A request, whose head may lie about the size of its body."""
    lines = ["POST /invocations HTTP/1.1", "Host: server", f"Content-Type: {kind}"]
    lines += [f"Content-Length: {len(body) if size is None else size}", "Connection: close"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def images(*contents: bytes) -> bytes:
    """JSON with encoded files."""
    return json.dumps({"instances": [base64.b64encode(content).decode() for content in contents]}).encode()


def status(connection: socket.socket) -> str:
    """The status that the server answers."""
    words = connection.recv(4096).split(b" ", 2)
    return words[1].decode() if len(words) > 1 else NONE


def leave(connection: socket.socket) -> str:
    """Hang up at once."""
    return NONE


def linger(connection: socket.socket) -> str:
    """Send a byte now and then, until the server has had enough."""
    try:
        for _ in range(100):
            connection.sendall(b"x")
            time.sleep(EVERY)
    except OSError:
        pass
    return NONE


def kinds(good: bytes) -> dict[str, Bad]:
    """All kinds of bad clients.

    Args:
        good: a picture that the server can read.
    """
    half = post(images(good))
    return {
        "no JSON": Bad([post(body) for body in (b"", b"\x00 garbage", b"[1]", b"{" * 1000)], status),
        "other JSON": Bad([post(b'{"instances": [[1, 2]]}'), post(b'{"inputs": {"a": 1}}'), post(b"{}")], status),
        "other content types": Bad([post(good, kind) for kind in ("text/csv", "x", "multipart/form-data")], status),
        "no pictures": Bad([post(images(b"not a picture" * 1000)), post(images(good[: len(good) // 2]))], status),
        "bombs": Bad([post(images(bomb)) for bomb in PICTURES.values()], status),
        "too many images": Bad([post(images(*[good] * 33))], status),
        "five MiB of nothing": Bad([post(images(bytes(5 * MIB)))], status),
        "bodies that declare a terabyte": Bad([post(b"{", size=10**12)], status),
        "hang up while sending": Bad([half[: len(half) // 2]], leave),
        "hang up before the answer": Bad([half], leave),
        "slow heads": Bad([b"POST /invocations HTTP/1.1\r\nHost: s"], linger),
        "slow bodies": Bad([post(b"{", size=10_000)], linger),
    }


def act(port: int, bad: Bad, seconds: float, found: Counter[str]) -> None:
    """One client, until the time is up; one that lingers opens further connections meanwhile."""
    end, turn = time.monotonic() + seconds, 0
    lingering: list[threading.Thread] = []

    def once(number: int) -> None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
                connection.sendall(bad.requests[number % len(bad.requests)])
                found[bad.then(connection)] += 1
        except OSError:
            found[NONE] += 1

    while time.monotonic() < end:
        if bad.then is linger:
            lingering.append(threading.Thread(target=once, args=(turn,), daemon=True))
            lingering[-1].start()
        else:
            once(turn)
        turn += 1
        time.sleep(EVERY)


def main() -> None:
    """Command line; a picture comes through standard input."""
    port, seconds = int(sys.argv[1]), float(sys.argv[2])
    os.nice(10)  # on another machine, clients would take nothing from the server
    found = {name: Counter[str]() for name in kinds(b"")}
    threads = [
        threading.Thread(target=act, args=(port, bad, seconds, found[name]))
        for name, bad in kinds(sys.stdin.buffer.read()).items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
