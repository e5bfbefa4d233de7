"""Pretrained encoder weights are downloaded; the tests run their own hub server."""

import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import segmentation_models_pytorch as smp
import torch
from safetensors.torch import save

PROGRAM = """
from prn_pipeline.errors import UserError
from prn_pipeline.segmentation.settings import BaseModelSettings
from prn_pipeline.segmentation.smp_model import BaseModel
try:
    model = BaseModel(BaseModelSettings(architecture="Unet", encoder="resnet18", encoder_weights="imagenet"))
    print("first weights", model.network.encoder.conv1.weight.double().sum().item())
except UserError as error:
    print("UserError:", error)
"""


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return smp.encoders.get_encoder("resnet18", weights=None).state_dict()


@pytest.fixture
def hub(weights: dict[str, torch.Tensor]) -> Iterator[str]:
    files = {"config.json": b"{}", "model.safetensors": save(weights)}

    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            content = files.get(self.path.rpartition("/")[2])
            self.send_response(200 if content is not None else 404)
            if content is not None:
                self.send_header("Content-Length", str(len(content)))
                self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
                self.send_header("X-Repo-Commit", self.path.split("/")[-2])
            self.end_headers()

        def do_GET(self) -> None:
            self.do_HEAD()
            self.wfile.write(files.get(self.path.rpartition("/")[2], b""))

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def build(endpoint: str, cache: Path, **environment: str) -> str:
    """Build the model in a new process, because the library reads the address of the hub when it is imported."""
    variables = {"HF_ENDPOINT": endpoint, "HF_HOME": str(cache), "HF_HUB_DISABLE_XET": "1", **environment}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env={**os.environ, **variables}, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_the_model_has_the_downloaded_weights(hub: str, weights: dict[str, torch.Tensor], tmp_path: Path) -> None:
    printed = build(hub, tmp_path)
    assert float(printed.split()[-1]) == pytest.approx(weights["conv1.weight"].double().sum().item())


def test_the_error_for_an_unreachable_hub_names_a_remedy(tmp_path: Path) -> None:
    printed = build("http://127.0.0.1:9", tmp_path, HF_HUB_OFFLINE="1")
    assert "could not be downloaded" in printed
    assert "set encoder_weights: null" in printed
