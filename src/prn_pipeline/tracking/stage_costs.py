"""Time and memory of each stage on this machine, stored beside the reports; reports and plans read them."""

from __future__ import annotations

import threading
import time
from typing import Any

import psutil
from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from prn_pipeline.layout.scopes import SCOPE_OF

#: Seconds between two samples of the memory in use.
INTERVAL = 0.2
MIB = 2**20

Costs = dict[str, dict[str, float]]


def catalog_entry(stage: str) -> str:
    """Catalog entry that holds a stage's costs as {stage: {"seconds", "memory_mib"}}."""
    return f"{SCOPE_OF[stage]}_costs"


def spent_so_far(costs: Costs) -> dict[str, dict[str, float]]:
    """Costs of all stages but reporting, for the scores JSON: {"seconds": {stage: ...}, "memory_mib": {stage: ...}}."""
    return {
        amount: {
            stage: cost[amount]
            for stage, cost in costs.items()
            if stage != "reporting" and isinstance(cost, dict) and amount in cost  # anybody may edit the file
        }
        for amount in ("seconds", "memory_mib")
    }


class StageCostHooks:
    """Keeps the catalog entries `dataset_costs`, `base_costs` and `run_costs` up to date.

    The time of a node ends when its last output is saved, because streams are computed while they are saved. The time
    of a stage is the sum over its nodes; its memory is the largest resident size of this process meanwhile.
    """

    def __init__(self) -> None:
        self._catalog: Any = None
        self._stage_of: dict[str, str] = {}
        self._started: dict[str, float] = {}
        self._spent: dict[str, float] = {}
        self._memory: dict[str, PeakMemory] = {}

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Note which stage each node belongs to."""
        self._catalog = catalog
        self._spent = {}
        self._stage_of = {node.name: stage_of(node) for node in pipeline.nodes}

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Start the node's clock."""
        self._started[node.name] = time.perf_counter()
        self._memory[node.name] = PeakMemory()

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, node: Node) -> None:
        """Save what the stage has cost so far."""
        stage = self._stage_of.get(node.name)
        if stage not in SCOPE_OF or self._catalog is None:
            return
        self._spent[node.name] = time.perf_counter() - self._started[node.name]
        nodes = [name for name in self._spent if self._stage_of[name] == stage]
        cost = {
            "seconds": round(sum(self._spent[name] for name in nodes), 2),
            "memory_mib": round(max(self._memory[name].mib for name in nodes)),
        }
        entry = catalog_entry(stage)
        self._catalog.save(entry, {**self._catalog.load(entry), stage: cost})

    @hook_impl
    def after_pipeline_run(self) -> None:
        """Stop sampling the memory."""
        self._stop()

    @hook_impl
    def on_pipeline_error(self) -> None:
        """Stop sampling the memory."""
        self._stop()

    def _stop(self) -> None:
        for memory in self._memory.values():
            memory.stop()
        self._memory = {}


def stage_of(node: Node) -> str:
    """Name of the pipeline folder that contains the node's function."""
    return node.func.__module__.split(".")[-2]


class PeakMemory:
    """The largest resident size of this process in MiB since the object was created."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._done = threading.Event()
        self._largest = self._now()
        threading.Thread(target=self._watch, name="peak memory", daemon=True).start()

    @property
    def mib(self) -> float:
        """The peak so far."""
        self._largest = max(self._largest, self._now())
        return self._largest

    def stop(self) -> None:
        """Stop sampling."""
        self._done.set()

    def _watch(self) -> None:
        while not self._done.wait(INTERVAL):
            self._largest = max(self._largest, self._now())

    def _now(self) -> float:
        return self._process.memory_info().rss / MIB
