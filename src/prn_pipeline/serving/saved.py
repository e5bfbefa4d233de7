"""A predictor as a folder: two networks (safetensors and json), settings, and what its maps looked like in training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from safetensors.numpy import load_file, save_file

from prn_pipeline.data.store.atomic import atomic_write
from prn_pipeline.errors import UserError
from prn_pipeline.metrics.descriptions import Descriptions
from prn_pipeline.refinement.protocol import Refiner
from prn_pipeline.refinement.registry import rebuild_refiner
from prn_pipeline.segmentation.protocol import MapSource
from prn_pipeline.segmentation.registry import rebuild_base_model
from prn_pipeline.serving.settings import PredictorSettings
from prn_pipeline.training.module_files import load_module, save_module

NETWORKS = ("base", "refiner")
SETTINGS = "predictor.json"
#: Only there where statistics were kept.
REFERENCE = "reference.safetensors"
#: Files that make a folder a predictor.
FILES = (*(f"{name}.safetensors" for name in NETWORKS), SETTINGS)


class PredictorComponents(NamedTuple):
    """What a predictor is made of."""

    base: MapSource
    refiner: Refiner
    settings: PredictorSettings
    reference: Descriptions | None


def write_folder(folder: Path, components: PredictorComponents) -> None:
    """Write a predictor; the folder appears whole or not at all."""
    with atomic_write(folder) as temporary:
        temporary.mkdir(parents=True)
        base, refiner = components.base, components.refiner
        save_module(temporary / "base.safetensors", base, base.settings.model_dump(mode="json"))
        save_module(temporary / "refiner.safetensors", refiner, refiner.settings.model_dump(mode="json"))
        described = json.dumps(components.settings.model_dump(mode="json"), indent=2) + "\n"
        (temporary / SETTINGS).write_text(described)
        if components.reference is not None:
            save_file(components.reference._asdict(), temporary / REFERENCE)


def read_folder(place: Path) -> PredictorComponents:
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
    base = load_module(place / "base.safetensors", rebuild_base_model)
    refiner = load_module(place / "refiner.safetensors", rebuild_refiner)
    return PredictorComponents(base, refiner, settings, reference)
