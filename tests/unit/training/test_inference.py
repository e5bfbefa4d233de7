"""Batches shrink with the size of their samples."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from torch import Tensor, nn

from prn_pipeline.data.store.array_store import ArrayStore, ArrayStream, write_arrays
from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.training import inference
from prn_pipeline.training.tiling import Tiles


class PixelCounter(nn.Module):
    """Returns its input and records the number of pixels."""

    def __init__(self, whole: bool) -> None:
        super().__init__()
        self.settings = SimpleNamespace(sees_whole_maps=whole)
        self.pixels: list[int] = []

    def forward(self, maps: Tensor) -> Tensor:
        self.pixels.append(maps.numel())
        return maps


@pytest.mark.parametrize("whole", [True, False])
def test_a_batch_has_at_most_max_batch_pixels(
    bright_squares: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    maps = np.random.default_rng(0).normal(size=(5, 128, 128)).astype(np.float16)
    write_arrays(tmp_path / "l.zarr", ArrayStream([{"logits": maps}]))
    manifest = bright_squares.manifest.head(5)
    manifest.attrs = {}
    samples = Samples(manifest, {"logits": ArrayStore(tmp_path / "l.zarr")})
    most = 2 * 128**2
    monkeypatch.setattr(inference, "MAX_BATCH_PIXELS", most)
    network = PixelCounter(whole)
    found = inference.predict_logits(network, samples, np.arange(5), ["logits"], 16, Tiles(size=64, overlap=32))
    assert np.concatenate(list(found)) == pytest.approx(maps, abs=2e-3)
    assert max(network.pixels) <= most
    assert max(network.pixels) == (most if whole else 5 * 64**2)


@pytest.mark.parametrize("whole", [True, False])
def test_a_map_that_is_larger_than_a_batch_may_be_is_still_run_alone(
    bright_squares: Samples, monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    monkeypatch.setattr(inference, "MAX_BATCH_PIXELS", 64 * 64 - 1)
    network, rows = PixelCounter(whole), np.array([3, 0, 7])
    found = inference.predict_logits(network, bright_squares, rows, ["logits"], 8, Tiles(size=64, overlap=32))
    assert np.concatenate(list(found)) == pytest.approx(bright_squares.array("logits", rows), abs=2e-3)
    assert network.pixels == 3 * [64 * 64]
