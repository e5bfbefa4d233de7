"""Which stage writes an artefact, and the command that writes it again."""

from __future__ import annotations

import re
from pathlib import Path

from prn_pipeline.layout.places import METRICS, PROMOTION
from prn_pipeline.layout.scopes import SCOPE_OF, SCOPES

#: Name of a file or folder in the catalog, without suffix -> stage that writes it.
STAGE_OF = {
    "samples": "ingestion",
    "manifest": "ingestion",
    "dataset": "ingestion",
    "base": "base_training",
    "base_history": "base_training",
    "folds": "base_training",
    "fold_history": "base_training",
    "logits": "logit_caching",
    "map_manifest": "logit_caching",
    "pseudo_labels": "pseudo_labelling",
    "refiner": "prn_training",
    "prn_history": "prn_training",
    "refined": "evaluation",
    "descriptions": "evaluation",
    "per_image": "evaluation",
    "report": "reporting",
    "figures": "reporting",
    "predictor": "promotion",
    Path(PROMOTION).stem: "promotion",
}
#: Folders below which artefacts lie in folders named after their scope: `data/04_feature`, `metrics`.
_ROOT = re.compile(rf"0\d_\w+|{METRICS.name}")
#: File of the scores of a run.
_SCORES = re.compile(r"seed-\d+\.json")


def place_of(path: Path) -> str | None:
    """The path from the last folder such as `04_feature` or `metrics` on; None if there is none."""
    roots = [place for place, part in enumerate(path.parts) if _ROOT.fullmatch(part)]
    return "/".join(path.parts[roots[-1] :]) if roots else None


def rerun(path: Path) -> str:
    """What a user does about an artefact that is missing or damaged: which pipeline to run again, and how.

    Args:
        path: of the artefact, or of a file in its folder.
    """
    place = place_of(path)
    below = tuple(place.split("/")[1:]) if place else ()
    stage = _stage(path.name, below)
    if stage is None:
        return "run the pipeline that makes it again"
    names = SCOPES[SCOPE_OF.get(stage, "run")]
    values = [part.removesuffix(".json").removeprefix("seed-") for part in below[: len(names)]]
    if len(values) < len(names) or (len(below) == len(names) and not _SCORES.fullmatch(path.name)):
        return f"run the pipeline {stage} again"
    run = ",".join(f"{name}={value}" for name, value in zip(names, values, strict=True))
    return f"run the pipeline {stage} again: kedro run --pipelines {stage} --params {run}"


def _stage(file: str, below: tuple[str, ...]) -> str | None:
    if _SCORES.fullmatch(file):
        return "evaluation"
    folders = (stage for name in reversed(below[:-1]) if (stage := STAGE_OF.get(name)))
    return next(folders, STAGE_OF.get(file.partition(".")[0]))
