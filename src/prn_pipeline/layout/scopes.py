"""Scopes: the names that identify the artefacts of a stage, and so which runs share them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from prn_pipeline.layout.names import check_name

#: Scope -> names that identify it, in the order of the catalog's paths.
SCOPES = {
    "dataset": ("dataset",),
    "base": ("dataset", "base_model", "seed"),
    "run": ("dataset", "base_model", "refiner", "seed"),
}

#: Stage -> scope, in the order of a run. Runs with the same names of a scope share the artefacts of its stages.
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
    """The scope whose names identify the artefacts of all these stages; "run" for no stage or an unknown one."""
    found = [SCOPE_OF.get(stage, "run") for stage in stages]
    return max(found, key=list(SCOPES).index, default="run")


def stage_address(stage: str, names: Mapping[str, Any]) -> str:
    """DVC's name of one stage of a run: `evaluation@drive-unet_resnet18-prn-0`.

    Args:
        stage: a key of `SCOPE_OF`.
        names: at least those of the stage's scope; others are ignored.
    """
    return f"{stage}@{'-'.join(str(names[name]) for name in SCOPES[SCOPE_OF[stage]])}"


def scope_path(scope: str, names: dict[str, Any]) -> str:
    """Folders of a scope's artefacts, below the folder of their kind: `drive/unet_resnet18/prn/seed-0`.

    Raises:
        UserError: a name is not that of one folder.
    """
    return "/".join(
        check_name(name, f"seed-{names[name]}" if name == "seed" else names[name]) for name in SCOPES[scope]
    )
