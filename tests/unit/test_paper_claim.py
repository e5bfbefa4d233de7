"""The benchmark of the paper's claim: which maps teach what, and its table."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks import paper_claim
from benchmarks.paper_claim import TARGETS, BatchStatistics, fits
from benchmarks.paper_claim_page import draw, section
from prn_pipeline.data.store.array_store import ArrayStore, ArrayStream, write_arrays
from prn_pipeline.data.store.sample_store import IDENTITY, Samples
from prn_pipeline.refinement.patch_refine_net.refiner import PaperRefiner
from prn_pipeline.refinement.patch_refine_net.settings import PatchRefineNetSettings


@pytest.mark.parametrize("target", TARGETS)
def test_a_network_learns_from_the_target_that_its_name_says(
    target: str, bright_squares: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Any] = []

    def record(build: Any, objective: Any, learned: Any, *rest: Any) -> Any:
        calls.append((build(), objective, learned))
        return _Result(build())

    monkeypatch.setattr(paper_claim, "fit", record)
    rows = bright_squares.rows(["val"])
    labels = 1 - bright_squares.array("masks", np.arange(24))
    write_arrays(tmp_path / "labels.zarr", ArrayStream([{"labels": labels}], {IDENTITY: "bright-squares"}))
    stores = {**bright_squares.stores, "labels": ArrayStore(tmp_path / "labels.zarr")}
    paper_claim.fitted(Samples(bright_squares.manifest, stores), rows, target, tmp_path)
    network, _, learned = calls[0]
    loss, arrays = TARGETS[target]
    assert network.settings.loss == loss
    sample = learned[0]
    assert set(sample) >= {"inputs", "pseudo_labels", "masks"}
    same = bool((sample["pseudo_labels"] == sample["masks"]).all())
    assert same == (arrays["pseudo_labels"] == arrays["masks"])


class _Result:
    def __init__(self, network: Any) -> None:
        self.network = network


def test_statistics_of_the_batch_make_maps_depend_on_their_neighbours_and_are_not_kept() -> None:
    torch.manual_seed(0)
    network = PaperRefiner(PatchRefineNetSettings(width=4, grid=2)).eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    maps = torch.randn(3, 1, 32, 32)
    with torch.no_grad():
        alone, together = BatchStatistics(network)(maps[:1]), BatchStatistics(network)(maps)[:1]
    assert not torch.allclose(alone, together)
    for name, value in network.state_dict().items():
        if "num_batches" not in name:
            assert torch.equal(value, before[name]), name


def test_all_sizes_of_one_target_come_first_and_every_target_is_measured_at_each() -> None:
    assert len(list(fits())) == len(set(fits())) == 16
    assert [size for size, _ in fits()][:4] == [50, 200, 1000, 2000]
    assert len({target for _, target in list(fits())[:4]}) == 1


def test_the_table_has_a_row_a_target_and_use_of_batch_norms() -> None:
    def gain(points: float) -> dict[str, Any]:
        return {"iou_micro": points / 100, "ci95": [points / 100 - 0.01, points / 100 + 0.01]}

    of_size = {
        "true masks": {"base": 0.7, "gains": {"running": gain(2.0), "batch": gain(3.0)}},
        "tuned threshold": {"base": 0.7, "gains": {"running": gain(1.0)}},
    }
    found = {"50": of_size, "200": of_size | {"paper's mix": of_size["true masks"]}}
    lines = section(found).splitlines()
    assert lines[2] == "| points over the base model (0.700) | 50 maps | 200 maps |"
    assert lines[4:] == [
        "| true masks | +2.0 [1.0, 3.0] | +2.0 [1.0, 3.0] |",
        "| true masks, statistics of the batch | +3.0 [2.0, 4.0] | +3.0 [2.0, 4.0] |",
        "| tuned threshold | +1.0 [0.0, 2.0] | +1.0 [0.0, 2.0] |",
    ], "the mix is not measured at every size yet"
    assert draw(found).startswith(b"\x89PNG")
    assert section({}) == "Not measured yet."
