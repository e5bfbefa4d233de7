"""Every parameter of the pipelines, checked before anything runs."""

from __future__ import annotations

import difflib
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from prn_pipeline.configuration.run_checks import check_maps, check_patches, check_processes, check_protocol
from prn_pipeline.data.execution.settings import EngineSettings
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.errors import UserError
from prn_pipeline.refinement.pseudo_labels.candidates import MOST_LEVELS
from prn_pipeline.refinement.settings import settings_class
from prn_pipeline.segmentation.settings import base_settings_class
from prn_pipeline.serving.comparison import ComparisonSettings
from prn_pipeline.serving.settings import ServingSettings
from prn_pipeline.training.settings import TrainingSettings
from prn_pipeline.training.tiling import Tiles

Settings = dict[str, Any]
Model = TypeVar("Model", bound=BaseModel)


#: What names a run, in the order of its paths.
RUN_NAMES = ("dataset", "base_model", "refiner", "seed")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class IngestionParameters(_Strict):
    """Where data sets live."""

    data_root: str


class LogitCachingParameters(_Strict):
    """Which model makes the maps that PRN learns from."""

    protocol: Literal["holdout", "crossfit"]
    keep: list[Literal["tta", "features"]]
    batch_size: int = Field(ge=1)


class PseudoLabellingParameters(_Strict):
    """Optimal patch-wise binarization."""

    patch_size: int = Field(ge=4)
    levels: int | None = Field(ge=1, le=MOST_LEVELS)


class EvaluationParameters(_Strict):
    """What is measured on test, and how."""

    resolution: Literal["model", "native"]
    resamples: int = Field(ge=100)
    batch_size: int = Field(ge=1)
    reference_images: int = Field(ge=2)


class ReportingParameters(_Strict):
    """What the report shows."""

    gallery_rows: int = Field(ge=1, le=50)


class PromotionParameters(_Strict):
    """When a predictor takes the champion's place in the registry."""

    model: str | None = Field(min_length=1, pattern=r"^[^/:]+$")
    comparison: ComparisonSettings


class Parameters(_Strict):
    """The whole of `conf/*/parameters*.yml`."""

    dataset: str
    base_model: str
    refiner: str
    seed: int = Field(ge=0)
    checkpoints: str
    tiles: Tiles
    engine: EngineSettings
    ingestion: IngestionParameters
    base_training: Settings
    logit_caching: LogitCachingParameters
    pseudo_labelling: PseudoLabellingParameters
    prn_training: Settings
    evaluation: EvaluationParameters
    reporting: ReportingParameters
    predictor: ServingSettings
    promotion: PromotionParameters
    datasets: dict[str, Settings]
    base_models: dict[str, Settings]
    refiners: dict[str, Settings]


def resolve_run(raw: Settings, told: Settings | None = None) -> Settings:
    """Check all parameters and add `run`: the chosen data set, base model and refiner, complete with their defaults.

    Args:
        raw: as loaded from YAML and the command line.
        told: the command line's part of it, whose training blocks go over those of the chosen names.

    Returns:
        `raw` and `run` = {names, dataset, base_model, base_training, refiner, prn_training}. A base model or refiner
        may carry a block `training`, which goes over the pipeline's own training block; a data set may say with
        `training_share` that it needs more or fewer epochs than usual.

    Raises:
        UserError: unknown name (lists what exists), misspelt key, wrong type or value; all of them at once.
    """
    parameters = _validated(Parameters, raw, "")
    dataset = _chosen("dataset", parameters.dataset, parameters.datasets, "parameters_datasets.yml")
    base_model = dict(
        _chosen("base_model", parameters.base_model, parameters.base_models, "parameters_base_models.yml")
    )
    refiner = dict(_chosen("refiner", parameters.refiner, parameters.refiners, "parameters_refiners.yml"))
    told = told or {}
    base_training = _over(parameters.base_training, base_model.pop("training", {}))
    base_training = _over(base_training, told.get("base_training", {}))
    prn_training = _over(parameters.prn_training, refiner.pop("training", {}))
    prn_training = _over(prn_training, told.get("prn_training", {}))
    data = _validated(DatasetSettings, dataset, f"datasets.{parameters.dataset}")
    settings = _validated(
        settings_class(refiner),
        _told(refiner, {"image_channels": data.channels}, parameters.refiner),
        f"refiners.{parameters.refiner}",
    )
    base = _validated(
        base_settings_class(base_model),
        _told(base_model, {"classes": data.maps_per_image, "channels": data.channels}, parameters.base_model),
        f"base_models.{parameters.base_model}",
    )
    run = {
        "names": {name: getattr(parameters, name) for name in RUN_NAMES},
        "dataset": data.model_dump(mode="json"),
        "base_model": base.model_dump(mode="json"),
        "base_training": _shortened(_complete(TrainingSettings, base_training, "base_training"), data.training_share),
        "refiner": settings.model_dump(mode="json"),
        "prn_training": _shortened(_complete(TrainingSettings, prn_training, "prn_training"), data.training_share),
    }
    check_processes(run["prn_training"])
    check_protocol(parameters.base_model, base.trained_here, parameters.logit_caching.protocol)
    check_patches(parameters.dataset, parameters.pseudo_labelling.patch_size, data.image_size)
    check_maps(parameters.refiner, settings.multiple, data.image_size, run["prn_training"]["augmentation"]["crop"])
    return {**raw, "run": run}


def _chosen(key: str, name: str, named: dict[str, Settings], file: str) -> Settings:
    if name not in named:
        near = difflib.get_close_matches(name, named, n=1)
        hint = f"did you mean {near[0]!r}? There are" if near else "there are"
        raise UserError(f"unknown {key} {name!r}; {hint} {', '.join(sorted(named))}; add yours to conf/base/{file}")
    return named[name]


def _told(block: Settings, by_data_set: Settings, name: str) -> Settings:
    """A named block with what the data set says of it, and nobody else."""
    if own := sorted(set(block) & set(by_data_set)):
        raise UserError(f"{name}: {', '.join(own)} follow from the data set: remove them from this block")
    return block | by_data_set


def _over(below: Settings, above: Settings) -> Settings:
    """`above` laid over `below`, block by block."""
    merged = dict(below)
    for key, value in above.items():
        inner = merged.get(key)
        merged[key] = _over(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return merged


def _shortened(training: Settings, share: float) -> Settings:
    """The same training with a share of its epochs, at least one."""
    return training | {"epochs": max(1, round(share * training["epochs"]))}


def _complete(model: type[BaseModel], values: Settings, where: str) -> Settings:
    return _validated(model, values, where).model_dump(mode="json")


def _validated(model: type[Model], values: Settings, where: str) -> Model:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise UserError("parameters are wrong:\n" + "\n".join(_lines(error, model, where))) from None


def _lines(error: ValidationError, model: type[BaseModel], where: str) -> list[str]:
    lines = []
    for problem in error.errors(include_url=False):
        path = [str(part) for part in problem["loc"]]
        key = ".".join([where, *path]).strip(".")
        if problem["type"] == "extra_forbidden":
            known = _fields_at(model, path[:-1])
            near = difflib.get_close_matches(path[-1], known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
            lines.append(f"  {key} = {problem['input']!r}: no such parameter; {hint}")
        elif problem["type"] == "union_tag_not_found":
            lines.append(
                f"  {key} = {problem['input']!r}: says with no {problem['ctx']['discriminator']} of what kind it is"
            )
        elif problem["type"] == "missing":
            lines.append(f"  {key}: missing")
        else:
            lines.append(f"  {key} = {problem['input']!r}: {problem['msg']}")
    return lines


def _fields_at(model: type[BaseModel], path: list[str]) -> list[str]:
    for part in path:
        field = model.model_fields.get(part)
        inner = getattr(field, "annotation", None)
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            break
        model = inner
    return list(model.model_fields)
