"""A predictor as a folder: two networks (safetensors and json), settings, and statistics of its training maps."""

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
#: Statistics of the training maps; optional.
REFERENCE = "reference.safetensors"
#: Files that every predictor has.
FILES = (*(f"{name}.safetensors" for name in NETWORKS), SETTINGS)


class PredictorComponents(NamedTuple):
    """The components of a predictor."""

    base: MapSource
    refiner: Refiner
    settings: PredictorSettings
    reference: Descriptions | None


def write_folder(folder: Path, components: PredictorComponents) -> None:
    """Write a predictor; the folder is written atomically."""
    with atomic_write(folder) as temporary:
        temporary.mkdir(parents=True)
        base, refiner = components.base, components.refiner
        save_module(temporary / "base.safetensors", base, base.settings.model_dump(mode="json"))
        save_module(temporary / "refiner.safetensors", refiner, refiner.settings.model_dump(mode="json"))
        settings = json.dumps(components.settings.model_dump(mode="json"), indent=2) + "\n"
        (temporary / SETTINGS).write_text(settings)
        if components.reference is not None:
            save_file(components.reference._asdict(), temporary / REFERENCE)


def read_folder(place: Path) -> PredictorComponents:
    """Read a predictor that `write_folder` wrote.

    Raises:
        UserError: files are missing or damaged, or do not belong together.
    """
    missing = [name for name in FILES if not (place / name).is_file()]
    if missing:
        raise UserError(
            f"{place} is not a saved predictor: it has no {', '.join(missing)}. Pass the folder that"
            " `Predictor.save` wrote, or an address such as models:/NAME@champion"
        )
    try:
        settings = PredictorSettings.model_validate_json((place / SETTINGS).read_text())
        file = place / REFERENCE
        reference = Descriptions(**load_file(file)) if file.is_file() else None
    except Exception as error:  # pydantic, safetensors and numpy raise many types
        raise UserError(
            f"{place}: {SETTINGS} or {REFERENCE} cannot be read ({error}): save the predictor again"
        ) from error
    base = load_module(place / "base.safetensors", rebuild_base_model)
    refiner = load_module(place / "refiner.safetensors", rebuild_refiner)
    return PredictorComponents(base, refiner, settings, reference)
