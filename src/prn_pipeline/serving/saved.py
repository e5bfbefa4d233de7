"""A predictor as a folder: two networks (safetensors and json), settings, and what its maps looked like in training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from safetensors.numpy import load_file, save_file

from prn_pipeline.data.store.atomic import atomic_write
from prn_pipeline.errors import UserError
from prn_pipeline.metrics.descriptions import Descriptions
from prn_pipeline.refinement.patch_refine_net.refiner import Refiner
from prn_pipeline.refinement.region_detail.ensemble import FoldEnsemble
from prn_pipeline.segmentation import BaseModel, ImportedModel, MapFiles
from prn_pipeline.serving.rebuilding import REBUILD
from prn_pipeline.serving.settings import PredictorSettings
from prn_pipeline.training.module_files import load_module, save_module

ServedBase = BaseModel | ImportedModel | MapFiles
ServedRefiner = Refiner | FoldEnsemble

NETWORKS = ("base", "refiner")
SETTINGS = "predictor.json"
#: Only there where statistics were kept.
REFERENCE = "reference.safetensors"
#: Files that make a folder a predictor.
FILES = (*(f"{name}.safetensors" for name in NETWORKS), SETTINGS)


class Parts(NamedTuple):
    """What a predictor is made of."""

    base: ServedBase
    refiner: ServedRefiner
    settings: PredictorSettings
    reference: Descriptions | None


def write_folder(folder: Path, parts: Parts) -> None:
    """Write a predictor; the folder appears whole or not at all."""
    with atomic_write(folder) as temporary:
        temporary.mkdir(parents=True)
        for name, module in zip(NETWORKS, parts[:2], strict=True):
            save_module(temporary / f"{name}.safetensors", module, module.settings.model_dump(mode="json"))
        described = json.dumps(parts.settings.model_dump(mode="json"), indent=2) + "\n"
        (temporary / SETTINGS).write_text(described)
        if parts.reference is not None:
            save_file(parts.reference._asdict(), temporary / REFERENCE)


def read_folder(place: Path) -> Parts:
    """Read what `write_folder` wrote.

    Raises:
        UserError: files are missing or damaged, or do not belong together.
    """
    missing = [name for name in FILES if not (place / name).is_file()]
    if missing:
        raise UserError(f"{place} is no saved predictor: it has no {', '.join(missing)}")
    try:
        settings = PredictorSettings.model_validate_json((place / SETTINGS).read_text())
        kept = place / REFERENCE
        reference = Descriptions(**load_file(kept)) if kept.is_file() else None
    except Exception as error:  # pydantic's, safetensors' and numpy's
        raise UserError(
            f"{place}: {SETTINGS} or {REFERENCE} cannot be read ({error}): save the predictor again"
        ) from error
    base = load_module(place / "base.safetensors", REBUILD["base_model"])
    refiner = load_module(place / "refiner.safetensors", REBUILD["refiner"])
    assert isinstance(base, BaseModel | ImportedModel | MapFiles)
    assert isinstance(refiner, Refiner | FoldEnsemble)
    return Parts(base, refiner, settings, reference)
