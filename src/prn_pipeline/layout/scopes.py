"""What runs share: which names a stage's artefacts belong to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

#: Scope -> names that tell one from another, in the order of the catalog's paths.
SCOPES = {
    "dataset": ("dataset",),
    "base": ("dataset", "base_model", "seed"),
    "run": ("dataset", "base_model", "refiner", "seed"),
}

#: Stage -> scope, in the order of a run. Runs that agree in a scope's names share what its stages make.
SCOPE_OF = {
    "ingestion": "dataset",
    "base_training": "base",
    "logit_caching": "base",
    "pseudo_labelling": "base",
    "prn_training": "run",
    "evaluation": "run",
    "reporting": "run",
}


def widest_scope(stages: Iterable[str]) -> str:
    """The scope that all of these stages' artefacts belong to; "run" for no stage, or one that is not known."""
    found = [SCOPE_OF.get(stage, "run") for stage in stages]
    return max(found, key=list(SCOPES).index, default="run")


def stage_address(stage: str, names: Mapping[str, Any]) -> str:
    """DVC's name of one stage of a run: `evaluation@drive-unet_resnet18-prn-0`.

    Args:
        stage: a key of `SCOPE_OF`.
        names: those of the stage's scope, in the order of `SCOPES`; others are left out.
    """
    return f"{stage}@{'-'.join(str(names[name]) for name in SCOPES[SCOPE_OF[stage]])}"


def scope_path(scope: str, names: dict[str, Any]) -> str:
    """Folders of a scope's artefacts, below the folder of their kind: `drive/unet_resnet18/prn/seed-0`."""
    return "/".join(f"seed-{names[name]}" if name == "seed" else str(names[name]) for name in SCOPES[scope])
