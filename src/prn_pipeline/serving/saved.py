"""A predictor as a folder: two networks (safetensors and json), settings, and statistics of its training maps."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from safetensors.numpy import load_file, save_file

from prn_pipeline.data.store.atomic import atomic_write
from prn_pipeline.data.store.checksums import digest
from prn_pipeline.data.store.json_files import read_json, write_json
from prn_pipeline.errors import UserError
from prn_pipeline.layout.origins import place_of, rerun
from prn_pipeline.metrics.descriptions import Descriptions
from prn_pipeline.refinement.protocol import Refiner
from prn_pipeline.refinement.registry import rebuild_refiner
from prn_pipeline.segmentation.imported_code import predictor_settings
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
#: Key of the settings' file: digests of the files beside it; predictors of earlier versions have none.
DIGESTS = "digests"


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
        if components.reference is not None:
            save_file(components.reference._asdict(), temporary / REFERENCE)
        digests = {file.name: digest(file.read_bytes()) for file in sorted(temporary.iterdir())}
        write_json(temporary / SETTINGS, components.settings.model_dump(mode="json") | {DIGESTS: digests})


def read_folder(place: Path, allow_modules: Iterable[str] = ()) -> PredictorComponents:
    """Read a predictor that `write_folder` wrote.

    Args:
        place: the folder.
        allow_modules: what it may import; see `imported_code.predictor_settings`.

    Raises:
        UserError: files are missing or damaged, or do not belong together; or it imports what is not allowed.
    """
    missing = [name for name in FILES if not (place / name).is_file()]
    if missing:
        here = f"; to restore it, {rerun(place)}" if place_of(place) else ""
        raise UserError(
            f"{place} is not a saved predictor: it has no {', '.join(missing)}. Pass the folder that"
            f" `Predictor.save` wrote, or an address such as models:/NAME@champion{here}"
        )
    try:
        described = read_json(place / SETTINGS, _save_again(place))
        for name, written in described.pop(DIGESTS, {}).items():
            if not (place / name).is_file() or digest((place / name).read_bytes()) != written:
                raise UserError(f"{place / name} is not the file that was saved with {SETTINGS}: {_save_again(place)}")
        settings = PredictorSettings.model_validate(described)
        file = place / REFERENCE
        reference = Descriptions(**load_file(file)) if file.is_file() else None
    except UserError:
        raise
    except Exception as error:  # pydantic, safetensors and numpy raise many types
        raise UserError(f"{place}: {SETTINGS} or {REFERENCE} cannot be read ({error}): {_save_again(place)}") from error
    with predictor_settings(allow_modules):
        base = load_module(place / "base.safetensors", rebuild_base_model)
        refiner = load_module(place / "refiner.safetensors", rebuild_refiner)
    return PredictorComponents(base, refiner, settings, reference)


def _save_again(place: Path) -> str:
    """What a user does about a damaged predictor: one of a project is made there, others come from elsewhere."""
    again = rerun(place) if place_of(place) else "save it again with the pipeline promotion"
    return f"download the predictor again, or {again}"
