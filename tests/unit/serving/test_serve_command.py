"""`prn serve`: what it says before it serves, and what it refuses."""

import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from prn_pipeline.commands import prn
from prn_pipeline.serving.predictor import Predictor
from prn_pipeline.serving.server import running
from prn_pipeline.serving.server.settings import ServerSettings


@pytest.fixture(scope="module")
def folder(predictor: Predictor, tmp_path_factory: pytest.TempPathFactory) -> Path:
    predictor.save(place := tmp_path_factory.mktemp("served") / "predictor")
    return place


def test_a_port_that_is_taken_is_an_error_in_one_line(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        outcome = CliRunner().invoke(prn, ["serve", str(folder), "--port", str(port)])
    assert outcome.exit_code == 1
    assert f"cannot listen at 127.0.0.1:{port}" in outcome.output
    assert "choose another --port" in outcome.output


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--at-once", "0"], "--at-once 0: Input should be greater than or equal to 1"),
        (["--seconds", "-1"], "--seconds -1.0: Input should be greater than 0"),
        (["--seconds", "nan"], "--seconds nan"),
        (["--host", "no.such.host.invalid"], "cannot listen at no.such.host.invalid:5000"),
    ],
)
def test_invalid_options_are_refused(folder: Path, arguments: list[str], reason: str) -> None:
    outcome = CliRunner().invoke(prn, ["serve", str(folder), *arguments])
    assert outcome.exit_code != 0
    assert reason in outcome.output


def test_a_folder_without_a_predictor_is_refused(tmp_path: Path) -> None:
    outcome = CliRunner().invoke(prn, ["serve", str(tmp_path)])
    assert outcome.exit_code == 1
    assert str(tmp_path) in outcome.output


def test_options_are_the_servers_settings(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[ServerSettings] = []

    class Ends:
        def run(self, sockets: list[socket.socket]) -> None:
            assert sockets[0].getsockname()[1]

    def server_of(predictor: Predictor, settings: ServerSettings, turns: object) -> Ends:
        used.append(settings)
        return Ends()

    monkeypatch.setattr(running, "server_of", server_of)
    options = ["--port", "0", "--at-once", "3", "--seconds", "1.5"]
    outcome = CliRunner().invoke(prn, ["serve", str(folder), *options])
    assert outcome.exit_code == 0, outcome.output
    assert used == [ServerSettings(at_once=3, seconds=1.5)]
    assert "/invocations -o mask.png" in outcome.output
