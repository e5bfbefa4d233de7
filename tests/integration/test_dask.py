"""A run whose maps, pseudo-labels and counts are made by Dask's workers."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from prn_pipeline.data.store.array_store import ArrayStore
from prn_pipeline.tracking.metric_names import flat_metrics
from tests.integration.conftest import mistake_of, run_pipelines

CELL = "synthetic_roads/unet_resnet18_small/prn/seed-0"
STAGES = ["logit_caching", "pseudo_labelling", "evaluation"]


def comparable(project: Path) -> dict[str, float]:
    """Scores by dotted name, without what a clock says."""
    scores = json.loads((project / "metrics" / f"{CELL}.json").read_text())
    return flat_metrics({key: scores[key] for key in ("n_test", "methods", "gain", "guard")})


def test_the_scores_are_those_of_one_process(finished: Path, project: Path) -> None:
    for part in ("02_intermediate", "06_models"):
        shutil.copytree(finished / "data" / part, project / "data" / part)
    run_pipelines(project, STAGES, engine={"kind": "dask", "workers": 1})
    # Workers have one thread each; this process may have more, and sums differ in their last digits.
    assert comparable(project) == pytest.approx(comparable(finished), abs=0.01)
    store = f"data/05_model_input/{CELL.replace('/prn', '')}/pseudo_labels.zarr"
    assert len(ArrayStore(project / store)) == 18


@pytest.mark.parametrize(
    ("engine", "message"),
    [
        ({"kind": "spark"}, r"engine.kind = 'spark'"),
        ({"kind": "dask", "worker": 3}, r"engine.worker = 3: no such parameter; did you mean 'workers'"),
        ({"address": "tcp://127.0.0.1:8786"}, r"set kind to dask"),
    ],
)
def test_a_wrong_engine_is_said_before_anything_runs(project: Path, engine: dict[str, Any], message: str) -> None:
    assert re.search(message, mistake_of(project, engine=engine))
    assert not (project / "data/02_intermediate").exists()
