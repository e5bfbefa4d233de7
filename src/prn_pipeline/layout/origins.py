"""Which stage writes an artefact, and the command that writes it again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from prn_pipeline.layout.places import METRICS, PROMOTION, RAW_DATA
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
    "expected_iou": "evaluation",
    "per_image": "evaluation",
    "report": "reporting",
    "figures": "reporting",
    "predictor": "promotion",
    "model_card": "promotion",
    Path(PROMOTION).stem: "promotion",
}
#: Folders below which artefacts lie in folders named after their scope: `data/04_feature`, `metrics`.
_LAYER = re.compile(r"0\d_\w+")
_ROOT = re.compile(rf"{_LAYER.pattern}|{METRICS.name}")
#: File of the scores of a run.
_SEED = re.compile(r"seed-\d+")
_SCORES = re.compile(rf"{_SEED.pattern}\.json")


def place_of(path: Path) -> str | None:
    """The path from the last folder such as `data/04_feature` or `metrics` on, without `data`; None if there is none.

    Data sets and models may be named like such a folder, and a project may lie below one.
    """
    parts = path.parts
    roots = [place for place in range(len(parts)) if _is_data(parts, place) or _is_metrics(parts, place)]
    roots = roots or [place for place, part in enumerate(parts) if _ROOT.fullmatch(part)]
    return "/".join(parts[roots[-1] :]) if roots else None


def _is_data(parts: Sequence[str], place: int) -> bool:
    return place > 0 and parts[place - 1] == RAW_DATA.parent.name and bool(_LAYER.fullmatch(parts[place]))


def _is_metrics(parts: Sequence[str], place: int) -> bool:
    scores = bool(_SCORES.fullmatch(parts[-1])) and place == len(parts) - 1 - len(SCOPES["run"])
    return scores and parts[place] == METRICS.name


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
    values = list(below[: len(names)])
    if len(values) < len(names) or (len(below) == len(names) and not _SCORES.fullmatch(path.name)):
        return f"run the pipeline {stage} again"
    if names[-1] == "seed":
        values[-1] = values[-1].removesuffix(".json").removeprefix("seed-")
    run = ",".join(f"{name}={value}" for name, value in zip(names, values, strict=True))
    return f"run the pipeline {stage} again: kedro run --pipelines {stage} --params {run}"


def _stage(file: str, below: tuple[str, ...]) -> str | None:
    if _SCORES.fullmatch(file):
        return "evaluation"
    # Below the folders that are named after a run, where anything may be called "folds" or "refiner".
    seeds = [place for place, name in enumerate(below[:-1]) if _SEED.fullmatch(name)]
    own = below[seeds[-1] + 1 if seeds else 1 : -1]
    folders = (stage for name in reversed(own) if (stage := STAGE_OF.get(name.partition(".")[0])))
    return next(folders, STAGE_OF.get(file.partition(".")[0]))
