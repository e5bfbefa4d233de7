"""Every artefact names the command that writes it again, whatever data sets and models are called."""

from pathlib import Path

import pytest

from prn_pipeline.layout.addresses import address, check_address, scores_address
from prn_pipeline.layout.origins import rerun

NAMES = [
    "drive",
    "2018",
    "01_roads",
    "08_reporting",
    "metrics",
    "data",
    "folds",
    "predictor",
    "refiner",
    "seed-1",
    "base",
]
BASE, RUN = "{0}/unet/seed-0", "{0}/{0}/{0}/seed-0"
STAGES = {
    "data/02_intermediate/{0}/samples.zarr": "ingestion",
    "data/02_intermediate/{0}/manifest.parquet": "ingestion",
    "data/08_reporting/{0}/dataset.json": "ingestion",
    f"data/06_models/{BASE}/base_history.csv": "base_training",
    f"data/06_models/{BASE}/folds/fold-0.json": "base_training",
    f"data/04_feature/{BASE}/logits.zarr": "logit_caching",
    f"data/04_feature/{BASE}/logits.zarr/zarr.json": "logit_caching",
    f"data/05_model_input/{BASE}/pseudo_labels.zarr": "pseudo_labelling",
    f"data/06_models/{RUN}/refiner.json": "prn_training",
    f"data/07_model_output/{RUN}/per_image.csv": "evaluation",
    f"metrics/{RUN}.json": "evaluation",
    f"data/08_reporting/{RUN}/figures": "reporting",
    f"data/06_models/{RUN}/predictor/base.safetensors": "promotion",
    f"data/08_reporting/{RUN}/promotion.json": "promotion",
}


def params(place: str, name: str) -> str:
    """The names of a run that an artefact belongs to, as on the command line."""
    if RUN in place:
        return f"dataset={name},base_model={name},refiner={name},seed=0"
    return f"dataset={name}" + (",base_model=unet,seed=0" if BASE in place else "")


@pytest.mark.parametrize("project", [".", "/home/me/prn", "/data/01_raw/prn", "/metrics/02_new", "s3:/bucket/prn"])
@pytest.mark.parametrize("name", NAMES)
def test_the_command_has_the_stage_and_the_names_of_the_artefact(project: str, name: str) -> None:
    expected = {place: f"{stage} --params {params(place, name)}" for place, stage in STAGES.items()}
    found = {place: rerun(Path(project) / place.format(name)).partition("--pipelines ")[2] for place in STAGES}
    assert found == expected


@pytest.mark.parametrize("name", NAMES)
def test_artefacts_of_any_name_are_at_their_own_address(name: str) -> None:
    scores = {"dataset": name, "base_model": name, "refiner": name, "seed": 0}
    for project in ("/home/me/prn", "/data/01_raw/prn", "/metrics/02_new"):
        check_address(Path(project) / f"metrics/{RUN}.json".format(name), scores_address(scores))
        logits = Path(project) / f"data/04_feature/{BASE}/logits.zarr".format(name)
        assert address(logits) == {"address": f"04_feature/{BASE}/logits.zarr".format(name)}
