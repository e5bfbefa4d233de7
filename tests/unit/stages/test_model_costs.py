"""The cost of a network, against hand calculation."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from prn_pipeline.data.store.array_store import ArrayStore, ArrayStream, write_arrays
from prn_pipeline.data.store.sample_store import IDENTITY, Samples
from prn_pipeline.processes.contention import LoadMeter
from prn_pipeline.segmentation.map_inputs import mean_and_others
from prn_pipeline.segmentation.maps import FLIPS
from prn_pipeline.stages.evaluation import model_costs as module
from prn_pipeline.stages.evaluation.model_costs import BATCH, ModelCost, model_cost, model_costs
from tests.unit.stages.class_samples import SIDE, C, class_samples


def test_a_convolution_costs_two_operations_per_weight_and_pixel() -> None:
    cost = model_cost(nn.Conv2d(3, 8, kernel_size=3, padding=1, bias=False), [torch.rand(4, 3, 16, 16)])
    assert cost.parameters == 8 * 3 * 9
    assert cost.gflop * 1e9 == 2 * 8 * 3 * 9 * 16 * 16
    assert 0 < cost.milliseconds < 1000


@pytest.mark.parametrize("loaded", [True, False])
def test_milliseconds_say_whether_they_were_measured_under_load(loaded: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LoadMeter, "under_load", lambda _: loaded)
    assert model_cost(nn.Conv2d(1, 1, kernel_size=1), [torch.rand(1, 1, 4, 4)]).under_load is loaded


def test_a_network_gets_all_of_its_inputs() -> None:
    class Sum(nn.Module):
        def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
            return a + b

    cost = model_cost(Sum(), [torch.rand(2, 1, 4, 4), torch.rand(2, 1, 4, 4)])
    assert (cost.parameters, cost.gflop) == (0, 0)


@pytest.fixture
def costs_of(bright_squares: Samples, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """The function under test, and the networks and shapes that it measured; no time is measured."""
    measured: list[tuple[Any, list[tuple[int, ...]]]] = []

    def cost(network: Any, inputs: list[torch.Tensor]) -> ModelCost:
        measured.append((network, [tuple(one.shape) for one in inputs]))
        return ModelCost(parameters=100 + len(measured), gflop=2.0, milliseconds=3.0, under_load=len(measured) == 1)

    monkeypatch.setattr(module, "model_cost", cost)
    return lambda base, refiner, samples=bright_squares: (model_costs(base, refiner, samples), measured)


def network(**attributes: Any) -> Any:
    """A base model or a refiner of these attributes."""
    made = SimpleNamespace(maps_per_pass=1, replaces_base_model=False, **attributes)
    made.runnable = made
    return made


def test_costs_of_both_networks_are_those_of_one_test_image(costs_of: Any) -> None:
    base, refiner = network(arrays=("images",)), network(arrays=("logits", "images"))
    found, measured = costs_of(base, refiner)
    shapes = {"images": (6, 3, 64, 64), "logits": (6, 1, 64, 64)}
    assert measured == [(refiner, [shapes["logits"], shapes["images"]]), (base, [shapes["images"]])]
    assert found == {
        "refiner": {"parameters": 101, "gflop": 2.0, "milliseconds": 3.0, "under_load": True, "base_passes": 0},
        "base": {"parameters": 102, "gflop": 2.0, "milliseconds": 3.0, "under_load": False},
    }


def test_maps_of_another_program_cost_no_pass_of_a_base_model(costs_of: Any) -> None:
    base = SimpleNamespace(runnable=None, arrays=())
    found, measured = costs_of(base, network(arrays=("logits",)))
    assert found["base"] is None
    assert len(measured) == 1


def test_costs_of_large_images_are_those_of_a_crop_scaled_up(costs_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DEFAULT_TILES", SimpleNamespace(size=32))
    found, measured = costs_of(network(arrays=("images",)), network(arrays=("logits",)))
    assert [shapes for _, shapes in measured] == [[(6, 1, 32, 32)], [(6, 3, 32, 32)]]
    for name in ("base", "refiner"):
        assert (found[name]["gflop"], found[name]["milliseconds"]) == (8.0, 12.0), "four crops an image"
        assert found[name]["parameters"] > 100


@pytest.mark.parametrize(("pixels", "images"), [(2 * 64 * 64, 2), (1, 1), (2**23, 6)])
def test_a_timed_batch_has_few_pixels_but_an_image(
    costs_of: Any, monkeypatch: pytest.MonkeyPatch, pixels: int, images: int
) -> None:
    monkeypatch.setattr(module, "MAX_BATCH_PIXELS", pixels)
    _, measured = costs_of(network(arrays=("images",)), network(arrays=("logits",)))
    assert [shapes[0][0] for _, shapes in measured] == [images, images]


def test_a_timed_batch_has_a_given_number_of_images(costs_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH", 4)
    _, measured = costs_of(network(arrays=("images",)), network(arrays=("logits",)))
    assert [shapes[0][0] for _, shapes in measured] == [4, 4]


def test_a_refiner_runs_once_per_class_and_with_tta_on_further_passes_of_the_base_model(
    costs_of: Any, tmp_path: Path
) -> None:
    samples = class_samples(tmp_path)
    base, refiner = network(arrays=("images",)), network(arrays=("logits", "tta"))
    found, measured = costs_of(base, refiner, samples)
    assert measured[0][1] == [(BATCH, 1, SIDE, SIDE), (BATCH, 2, SIDE, SIDE)]
    assert (found["refiner"]["gflop"], found["refiner"]["milliseconds"]) == (2.0 * C, 3.0 * C)
    assert (found["base"]["gflop"], found["base"]["milliseconds"]) == (2.0, 3.0)
    assert found["refiner"]["base_passes"] == len(FLIPS) - 1


@pytest.mark.parametrize("inputs", [("logits", "tta_scales"), ("logits", "tta", "tta_scales")])
def test_every_other_scale_takes_a_pass_for_each_flip(
    costs_of: Any, bright_squares: Samples, tmp_path: Path, inputs: tuple[str, ...]
) -> None:
    base = bright_squares.array("logits", np.arange(len(bright_squares.manifest)))
    maps = {"logits": base, "tta": np.stack([base, base], axis=1), "tta_scales": base}
    write_arrays(tmp_path / "maps.zarr", ArrayStream([maps], {IDENTITY: "bright-squares"}))
    stores = {"samples": bright_squares.stores["samples"], "maps": ArrayStore(tmp_path / "maps.zarr")}
    refiner = network(arrays=inputs, settings=SimpleNamespace(tta_scales=(0.75, 1.25)))
    found, _ = costs_of(SimpleNamespace(runnable=None, arrays=()), refiner, Samples(bright_squares.manifest, stores))
    assert found["refiner"]["base_passes"] == 3 * len(FLIPS) - 1, "the unchanged image is the base model's own pass"


@pytest.mark.parametrize(("inputs", "passes"), [(("several_maps",), 2), (("tta", "several_maps"), 5)])
def test_every_further_model_whose_maps_a_refiner_reads_is_a_further_pass(
    costs_of: Any, bright_squares: Samples, tmp_path: Path, inputs: tuple[str, ...], passes: int
) -> None:
    base = bright_squares.array("logits", np.arange(len(bright_squares.manifest)))
    maps = {"several_maps": mean_and_others(base, [base, base]), "tta": np.stack([base, base], axis=1)}
    write_arrays(tmp_path / "maps.zarr", ArrayStream([maps], {IDENTITY: "bright-squares"}))
    stores = {"samples": bright_squares.stores["samples"], "maps": ArrayStore(tmp_path / "maps.zarr")}
    three = Samples(bright_squares.manifest, stores)
    found, _ = costs_of(SimpleNamespace(runnable=None, arrays=()), network(arrays=inputs), three)
    assert found["refiner"]["base_passes"] == passes


def test_milliseconds_are_the_fastest_pass_per_image(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 0.9, 1.0, 1.2, 2.0, 2.6, 3.0, 3.8, 4.0, 4.7])
    monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    cost = model_cost(nn.Conv2d(1, 1, kernel_size=1), [torch.rand(4, 1, 4, 4)])
    assert cost.milliseconds == pytest.approx(1000 * 0.2 / 4)
    assert next(clock, None) is None, "five passes"


def test_slow_networks_are_timed_fewer_times(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 2.5, 3.0, 6.0, 7.0])
    monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    cost = model_cost(nn.Conv2d(1, 1, kernel_size=1), [torch.rand(1, 1, 4, 4)])
    assert cost.milliseconds == 2500
    assert list(clock) == [7.0]
