"""`prn serve` as a process: it survives clients that do what clients should not do, and ends when it is told to."""

import io
import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.bad_clients import NONE, kinds
from benchmarks.serving import OWN, ask, served
from tests.unit.serving.conftest import random_predictor
from tests.unit.serving.test_server_requests import GOOD

pytestmark = pytest.mark.long

SECONDS = "3"


def test_good_clients_get_their_masks_among_bad_ones(tmp_path: Path) -> None:
    random_predictor().save(tmp_path / "predictor")
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(file := io.BytesIO(), "PNG")
    own = {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    with served(str(tmp_path / "predictor"), tmp_path, own, OWN, "--body-seconds", "5") as (address, process):
        good = json.dumps({"instances": [GOOD]}).encode()
        expected = ask(address, good)
        assert expected[0] == 200
        port = address.rsplit(":", 1)[1]
        command = [sys.executable, "-m", "benchmarks.bad_clients", port, SECONDS]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as bad:
            assert bad.stdin is not None
            bad.stdin.write(file.getvalue())
            bad.stdin.close()
            while bad.poll() is None:
                assert ask(address, good) == expected
            assert bad.stdout is not None
            outcomes = json.loads(bad.stdout.read())
        assert set(outcomes) == set(kinds(b""))
        for name, found in outcomes.items():
            assert set(found) <= {"400", "408", "413", "415", NONE}, name
        assert outcomes["bodies that declare a terabyte"]["413"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    log = (tmp_path / "server.log").read_text()
    assert "Traceback" not in log
    assert "/invocations -o mask.png" in log
