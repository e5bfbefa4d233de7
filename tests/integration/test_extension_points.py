"""What a contributor adds is a class and a line: a refiner, a source of maps and a comparison method that only this
file knows go from the pipelines to the report, the leaderboard and the registry."""

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from prn_pipeline.comparison import table
from prn_pipeline.comparison.method import ComparisonMethod, LearningBatch, MapBatch, Prediction, Tuned
from prn_pipeline.data.store.logits import probabilities_of
from prn_pipeline.data.store.map_manifest import learning_rows
from prn_pipeline.refinement import registry as refiners
from prn_pipeline.refinement.baselines.threshold_tuning import tune_threshold
from prn_pipeline.refinement.protocol import FittingPlan, LearningMaps, Refiner
from prn_pipeline.segmentation import registry as base_models
from prn_pipeline.segmentation.network_source import NetworkSource
from prn_pipeline.serving.predictor import Predictor
from prn_pipeline.sweep.leaderboard import write_leaderboard
from prn_pipeline.sweep.lists import Lists
from prn_pipeline.training.job import TrainingResult
from tests.integration.conftest import run_pipelines

pytestmark = pytest.mark.long


class ShiftSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    network: Literal["shift"]
    image_channels: int = 3
    scale: float = Field(1.0, gt=0)

    arrays: tuple[str, ...] = ("logits",)
    multiple: int = 1
    sees_whole_maps: bool = False
    fewest_groups: int = 1


class Shift(Refiner):
    """One shift of all logits."""

    def __init__(self, settings: ShiftSettings) -> None:
        super().__init__()
        self.settings = settings
        self.shift = nn.Parameter(torch.zeros(()))

    @property
    def guard(self) -> dict[str, float]:
        return {"shift": self.shift.item()}

    def forward(self, base_logits: Tensor, *inputs: Tensor) -> Tensor:
        return self.settings.scale * (base_logits.float() + self.shift)


def fit_shift(maps: LearningMaps, settings: ShiftSettings, plan: FittingPlan) -> TrainingResult:
    rows = learning_rows(maps.map_manifest)
    probabilities = probabilities_of(maps.samples.array("logits", rows))
    best = tune_threshold(probabilities, maps.samples.array("masks", rows))
    refiner = Shift(settings)
    with torch.no_grad():
        refiner.shift.copy_(-torch.logit(torch.tensor(best).clamp(0.01, 0.99)))
    return TrainingResult(refiner.eval(), pd.DataFrame({"epoch": [1], "train_loss": [0.0]}))


class ShiftKind:
    name = "shift"
    settings = ShiftSettings
    fitting = f"{__name__}:fit_shift"

    def build(self, settings: ShiftSettings) -> Shift:
        return Shift(settings)


class DarknessSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["darkness"]
    classes: int = 1
    channels: int = 3
    steepness: float = 0.05

    trained_here: bool = False
    seen: tuple[str, ...] = ()
    available_inputs: tuple[str, ...] = ("tta",)
    has_network: bool = True
    needs_support: bool = False

    def suits(self, task: str) -> bool:
        return task == "binary"


class Darkness(NetworkSource):
    """Roads are dark."""

    def __init__(self, settings: DarknessSettings) -> None:
        super().__init__()
        self.settings = settings
        self.middle = nn.Parameter(torch.tensor(110.0))

    def forward(self, images: Tensor) -> Tensor:
        return self.settings.steepness * (self.middle - images.float().mean(1, keepdim=True))


class DarknessKind:
    name = "darkness"
    settings = DarknessSettings

    def build(self, settings: DarknessSettings, pretrained: bool) -> Darkness:
        return Darkness(settings)


def everything(maps: MapBatch, tuned: Tuned) -> Prediction:
    return Prediction(np.ones(maps.base.shape, bool), None)


EVERYTHING = ComparisonMethod("everything", "Everything is foreground", "all", "baseline", everything)


class ShareTuner:
    """The foreground's share of the pixels."""

    def __init__(self) -> None:
        self.counts = np.zeros(2)

    def update(self, batch: LearningBatch) -> None:
        assert (np.abs(batch.maps["tta"]) > 0).any()
        self.counts += (batch.masks == 1).sum(), (batch.masks != 255).sum()

    def add(self, other: "ShareTuner") -> None:
        self.counts += other.counts

    def best(self) -> dict[str, float]:
        return {"share": float(self.counts[0] / self.counts[1])}


def top_share(maps: MapBatch, tuned: Tuned) -> Prediction:
    bound = np.quantile(maps.base, 1 - tuned.selected["top_share"]["share"], axis=(1, 2), keepdims=True)
    return Prediction(maps.base > bound, None)


TOP_SHARE = ComparisonMethod(
    "top_share", "Most probable share", "top", "baseline", top_share, tuner=lambda thresholds: ShareTuner()
)


@pytest.fixture
def extended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(refiners.REFINERS, "shift", ShiftKind())
    monkeypatch.setitem(base_models.MAP_SOURCES, "darkness", DarknessKind())
    monkeypatch.setattr(table, "METHODS", [*table.METHODS[:-1], EVERYTHING, TOP_SHARE, table.METHODS[-1]])


@pytest.mark.usefixtures("extended")
def test_a_refiner_a_source_and_a_method_go_from_pipeline_to_leaderboard(project: Path) -> None:
    names: dict[str, Any] = {"dataset": "synthetic_roads", "base_model": "dark", "refiner": "one_shift", "seed": 0}
    run_pipelines(
        project,
        base_model="dark",
        refiner="one_shift",
        base_models={"dark": {"kind": "darkness"}},
        refiners={"one_shift": {"network": "shift", "scale": 2.0}},
        logit_caching={"keep": ["tta"]},
    )
    run = "synthetic_roads/dark/one_shift/seed-0"
    scores = json.loads((project / f"metrics/{run}.json").read_text())

    # the method
    assert list(scores["methods"]) == table.names()
    assert scores["methods"]["everything"]["recall"] == pytest.approx(1)
    share = scores["methods"]["top_share"]["selected"]["share"]
    assert 0.02 < share < 0.5, "of val"
    assert scores["gain"]["vs_top_share"]["iou_micro"] == pytest.approx(
        scores["methods"]["refined"]["iou_micro"] - scores["methods"]["top_share"]["iou_micro"]
    )
    assert set(scores["gain"]["vs_everything"]) == {"iou_micro", "ci95", "p", "wrong_pixels"}
    # the refiner
    assert set(scores["guard"]) == {"shift"}
    assert scores["cost"]["refiner"]["parameters"] == 1
    assert scores["gain"]["vs_tuned_threshold"]["iou_micro"] == pytest.approx(0, abs=1e-3), "it is a tuned threshold"
    # the source of maps
    assert scores["cost"]["base"]["parameters"] == 1

    report = (project / f"data/08_reporting/{run}/report.html").read_text()
    assert "Everything is foreground" in report
    assert "one_shift" in report

    lists = Lists(**{f"{name}s": [value] for name, value in names.items()})
    made, page = write_leaderboard(lists, project)
    assert {"everything", "one_shift", "base"} <= {standing.method for standing in made.standings}
    for text in (page.read_text(), made.csv, made.markdown):
        assert "one_shift" in text
    assert "Everything is foreground" in page.read_text()

    run_pipelines(
        project,
        ["promotion"],
        base_model="dark",
        refiner="one_shift",
        base_models={"dark": {"kind": "darkness"}},
        refiners={"one_shift": {"network": "shift", "scale": 2.0}},
        logit_caching={"keep": ["tta"]},
        promotion={"comparison": {"smallest_test": 4}, "first_champion": {"checks": ["best_free"]}},  # of poor maps
    )
    decision = json.loads((project / f"data/08_reporting/{run}/promotion.json").read_text())
    assert decision["promoted"]
    predictor = Predictor.load(project / f"data/06_models/{run}/predictor")
    (predicted,) = predictor.predict(np.full((64, 64, 3), 20, np.uint8))
    assert predicted.mask.all(), "dark is foreground"


@pytest.mark.usefixtures("extended")
def test_settings_of_what_was_added_are_checked_like_all_others(project: Path) -> None:
    from tests.integration.conftest import mistake_of

    message = mistake_of(project, refiner="one_shift", refiners={"one_shift": {"network": "shift", "scael": 2.0}})
    assert "refiners.one_shift.scael = 2.0: no such parameter; did you mean 'scale'?" in message
    message = mistake_of(project, refiner="one_shift", refiners={"one_shift": {"network": "shfit"}})
    assert "unknown refiner network 'shfit'; did you mean 'shift'?" in message
