"""A run whose maps, pseudo-labels and counts are computed by Dask workers."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from prn_pipeline.data.store.array_store import ArrayStore
from prn_pipeline.tracking.metric_names import flat_metrics
from tests.integration.conftest import mistake_of, run_pipelines

pytestmark = pytest.mark.usefixtures("forked_dask_workers")
RUN = "synthetic_roads/unet_resnet18_small/prn/seed-0"
STAGES = ["logit_caching", "pseudo_labelling", "evaluation"]


def comparable(project: Path) -> dict[str, float]:
    """Scores by dotted name, without times."""
    scores = json.loads((project / "metrics" / f"{RUN}.json").read_text())
    return flat_metrics({key: scores[key] for key in ("n_test", "methods", "gain", "guard")})


def test_scores_equal_those_of_one_process(finished: Path, project: Path) -> None:
    for folder in ("02_intermediate", "06_models"):
        shutil.copytree(finished / "data" / folder, project / "data" / folder)
    run_pipelines(project, STAGES, engine={"kind": "dask", "workers": 1})
    # Workers have one thread each; this process may have more, and the last digits of sums differ.
    assert comparable(project) == pytest.approx(comparable(finished), abs=0.01)
    store = f"data/05_model_input/{RUN.replace('/prn', '')}/pseudo_labels.zarr"
    assert len(ArrayStore(project / store)) == 18


@pytest.mark.parametrize(
    ("engine", "message"),
    [
        ({"kind": "spark"}, r"engine.kind = 'spark'"),
        ({"kind": "dask", "worker": 3}, r"engine.worker = 3: no such parameter; did you mean 'workers'"),
        ({"address": "tcp://127.0.0.1:8786"}, r"set kind to dask"),
    ],
)
def test_a_wrong_engine_is_refused_before_anything_runs(project: Path, engine: dict[str, Any], message: str) -> None:
    assert re.search(message, mistake_of(project, engine=engine))
    assert not (project / "data/02_intermediate").exists()
