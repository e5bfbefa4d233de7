"""The benchmarks run, agree with what they compare, and write what they measured; how fast is not for a test."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import network, share_case
from benchmarks.__main__ import main
from benchmarks.agreement import gradient_error, relative_error
from benchmarks.example_maps import example_maps
from benchmarks.looped_network import LoopedNetwork
from benchmarks.machine import usable_cores, use_cores
from benchmarks.numpy_reference import time_and_compare
from benchmarks.peaks import convolution_peak, copy_bandwidths
from benchmarks.prn_workload import operations, workload
from benchmarks.report import Column, Table, markdown, save
from benchmarks.stage_case import STAGES
from benchmarks.stage_inputs import open_stores, write_stores
from benchmarks.timing import measure
from prn_pipeline.refinement import PatchPseudoLabels, patch_pseudo_labels

CPU = torch.device("cpu")
MACHINE = {"cpu": "abacus", "cores": 2, "cpu_features": [], "gpus": [], "torch": "t", "numpy": "n", "numba": "n"}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    use_cores(1)
    yield
    use_cores(usable_cores())
    torch.set_num_threads(threads)


@pytest.mark.long
@pytest.mark.slow
def test_a_quick_run_writes_every_section_as_json_and_as_markdown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "b.json"
    main(["--quick", "--no-compile", "--out", str(out), "--history", str(tmp_path / "history.jsonl")])
    assert not (tmp_path / "history.jsonl").exists()  # numbers that mean nothing
    found = json.loads(out.read_text())
    assert found["quick"] is True
    assert found["machine"]["cores"] == usable_cores()
    sections = ["pseudo_labels", "network", "start_up", "shares", "busy_machine", "stages", "gpu"]
    assert list(found["sections"]) == list(found["seconds"]) == sections
    labels = found["sections"]["pseudo_labels"]["against_numpy"]["rows"]
    assert all(row["equal"] and row["ratio"] == pytest.approx(row["numpy_ms"] / row["ours_ms"]) for row in labels)
    assert {row["what"] for row in found["sections"]["network"]["against_loop"]["rows"]} == {
        "inference",
        "training step",
    }
    for row in found["sections"]["network"]["against_loop"]["rows"]:
        assert row["error"] <= row["tolerance"]
        assert row["met"] == (row["ratio"] >= row["goal"])
    for row in found["sections"]["shares"]["shares"]["rows"]:
        assert row["share"] == pytest.approx(100 * row["product"] / row["alone"])
    for row in found["sections"]["stages"]["stages"]["rows"]:
        assert row["images_per_second"] * row["seconds"] == pytest.approx(row["count"])
        assert 0 <= row["mib_growth"] < row["mib_peak"]
    text, printed = out.with_suffix(".md").read_text(), capsys.readouterr().out
    assert text.count("\n## ") == sum(len(tables) for tables in found["sections"].values())
    if not torch.cuda.is_available():
        assert "no GPU on this machine" in text
        assert "no GPU on this machine" in printed


@pytest.mark.parametrize("case", ["map_caching", "refine"])
def test_the_networks_alone_run_on_what_the_product_gives_them(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    passes: list[tuple[int, ...]] = []
    monkeypatch.setattr(share_case, "_seconds", lambda run, times: (run(), passes.append((times,)), 0.5)[-1])
    found = share_case.CASES[case](64, 2)
    assert found == (2 / 0.5, 2 / 0.5)
    assert len(passes) == 2


def test_only_the_tables_with_ratios_on_demand() -> None:
    (table,) = network.run(quick=True, compile_too=True, ratios_only=True)
    assert table.ratio == "ratio"


@pytest.mark.parametrize("stage", list(STAGES))
def test_every_stage_that_is_measured_runs_on_the_stores_made_for_it(stage: str, tmp_path: Path) -> None:
    write_stores(tmp_path, count=3, size=64)
    samples, refined, _ = open_stores(tmp_path)
    before = set(tmp_path.iterdir())
    STAGES[stage](tmp_path)
    made = set(tmp_path.iterdir()) - before
    assert made == (set() if stage == "evaluation" else {tmp_path / "made.zarr"})
    assert len(samples.manifest) == 3
    assert refined.shape("logits")[1:] == (64, 64)


@pytest.mark.parametrize("arguments", [["netwrok"], ["--out", "table.txt"]])
def test_a_misspelt_section_or_a_strange_file_name_stops_before_anything_is_measured(arguments: list[str]) -> None:
    with pytest.raises(SystemExit):
        main(arguments)


@pytest.mark.parametrize("longest", [60.0, 1e-6], ids=["whole", "sampled"])
@pytest.mark.parametrize("levels", [20, 255, None])
def test_numpy_and_ours_agree_and_a_difference_is_not_missed(levels: int | None, longest: float) -> None:
    maps, masks = example_maps(2, 64)
    found = patch_pseudo_labels(maps, masks, 16, levels)
    told = time_and_compare(maps[0], masks[0], 16, levels, found, longest)
    assert told.seconds > 0
    assert ("scaled up" in told.computed) == (longest < 1)
    wrong = PatchPseudoLabels(1 - found.labels, found.thresholds, found.iou)
    with pytest.raises(AssertionError, match="numpy and ours differ"):
        time_and_compare(maps[0], masks[0], 16, levels, wrong, longest)


def test_a_threshold_that_is_not_the_best_is_noticed_in_a_sample_of_thresholds() -> None:
    maps, masks = example_maps(1, 64)
    found = patch_pseudo_labels(maps, masks, 64, None)
    worse = np.sort(maps.ravel())[-40].reshape(1, 1, 1)
    with pytest.raises(AssertionError, match="numpy and ours differ"):
        time_and_compare(maps[0], masks[0], 64, None, PatchPseudoLabels(found.labels, worse, found.iou), 0.001)


def test_the_loop_over_runs_is_the_same_network() -> None:
    work = workload(4, 64, CPU)
    looped = LoopedNetwork(work.network).eval()
    with torch.no_grad():
        for ours, plain in zip(work.network(work.maps), looped(work.maps), strict=True):
            assert relative_error(ours, plain) < 1e-4
            assert relative_error(ours + ours.std(), plain) == pytest.approx(1, abs=0.01)
    assert gradient_error(work.network, looped, work) < 1e-3


def test_operations_are_counted_without_running_the_network_and_grow_with_the_area() -> None:
    small, large = (operations(workload(16, size, CPU), training=False) for size in (64, 128))
    assert 3.9 < large / small < 4.1
    assert 2.5 < operations(workload(16, 64, CPU), training=True) / small < 3.1


def test_peaks_are_positive_and_timings_repeat_as_asked() -> None:
    assert min(copy_bandwidths(quick=True).values()) > 0
    assert convolution_peak(torch.float32, quick=True) > 0
    calls: list[int] = []
    timing = measure(lambda: calls.append(1), seconds=0.0, least=4)
    assert (timing.repeats, len(calls)) == (4, 5)
    assert 0 <= timing.best <= timing.median


def test_a_run_without_a_number_stays_empty(tmp_path: Path) -> None:
    table = Table(
        "t", "Title", (Column("a", "A"), Column("b", "B", ".1f")), [{"a": "x"}, {"a": True, "b": 2}], ["note"]
    )
    machine = MACHINE | {"date": "today"}
    assert "| x |  |\n| yes | 2.0 |\n\n- note" in markdown(machine, {"s": [table]})
    assert save(tmp_path / "deep" / "b.json", machine, {"s": [table]}, {}).read_text().startswith("# Benchmarks")
