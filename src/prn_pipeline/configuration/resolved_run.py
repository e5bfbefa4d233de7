"""From all parameters to those of one run: the chosen blocks, merged, completed with defaults, and checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from omegaconf import OmegaConf

from prn_pipeline.configuration.model_checks import MODEL_INPUTS
from prn_pipeline.configuration.parameters import RUN_NAMES, Parameters, Settings
from prn_pipeline.configuration.run_checks import check_run
from prn_pipeline.configuration.validation import validated
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.errors import UserError, unknown_name
from prn_pipeline.layout.names import check_name
from prn_pipeline.refinement import registry as refiners
from prn_pipeline.segmentation import registry as base_models
from prn_pipeline.segmentation.input_names import SEVERAL_MAPS
from prn_pipeline.training.settings import TrainingSettings

if TYPE_CHECKING:
    from prn_pipeline.segmentation.protocol import MapSourceSettings

#: Key of a refiner's block: inputs that it reads only where the base model gives them.
IF_AVAILABLE = "inputs_if_available"


def resolve_run(raw: Settings, overrides: Settings | None = None) -> Settings:
    """Check all parameters and add `run`: the chosen data set, base model and refiner, complete with their defaults.

    Args:
        raw: parameters from YAML and the command line, merged.
        overrides: the parameters from the command line alone. Their training blocks override the `training` blocks of
            the chosen base model and refiner.

    Returns:
        `raw` and `run` = {names, dataset, base_model, base_training, refiner, prn_training}. A base model or refiner
        may have a block `training`, which overrides the pipeline's own training block. A data set's `training_share`
        scales the number of epochs. A refiner's `inputs_if_available` are among its `inputs` where the base model has
        them.

    Raises:
        UserError: unknown name (with the known ones), a name that is not one folder's, misspelt key, wrong type or
            value. One error lists all problems of a block.
    """
    parameters = validated(Parameters, raw, "")
    for name in RUN_NAMES:
        check_name(name, getattr(parameters, name))
    data = validated(
        DatasetSettings,
        _chosen("dataset", parameters.dataset, parameters.datasets, "parameters_datasets.yml"),
        f"datasets.{parameters.dataset}",
    )
    base_block = dict(
        _chosen("base_model", parameters.base_model, parameters.base_models, "parameters_base_models.yml")
    )
    refiner_block = dict(_chosen("refiner", parameters.refiner, parameters.refiners, "parameters_refiners.yml"))
    overrides = overrides or {}
    for block, where in (
        (base_block, f"base_models.{parameters.base_model}"),
        (refiner_block, f"refiners.{parameters.refiner}"),
    ):
        if not isinstance(training := block.get("training", {}), dict):
            raise UserError(
                f"{where}.training is {training!r}, expected a block of keys as in base_training or prn_training: write"
                f" {{epochs: 20}}, or remove it"
            )
    base_training = merge(parameters.base_training, base_block.pop("training", {}), overrides.get("base_training", {}))
    prn_training = merge(parameters.prn_training, refiner_block.pop("training", {}), overrides.get("prn_training", {}))
    from_data: Settings = {"classes": data.maps_per_image, "channels": data.channels}
    base: Any = validated(
        base_models.kind_of(base_block).settings,
        _with_data(base_block, from_data, parameters.base_model),
        f"base_models.{parameters.base_model}",
        base_models.settings_adapter(),
    )
    from_data = {"image_channels": data.channels}
    refiner_block = _with_available_inputs(refiner_block, base, parameters.logit_caching.further)
    refiner: Any = validated(
        refiners.kind_of(refiner_block).settings,
        _with_data(refiner_block, from_data, parameters.refiner),
        f"refiners.{parameters.refiner}",
        refiners.settings_adapter(),
    )
    run = {
        "names": {name: getattr(parameters, name) for name in RUN_NAMES},
        "dataset": data.model_dump(mode="json"),
        "base_model": base.model_dump(mode="json"),
        "base_training": _training(base_training, "base_training", data.training_share),
        "refiner": refiner.model_dump(mode="json"),
        "prn_training": _training(prn_training, "prn_training", data.training_share),
    }
    checked = {**raw, "run": run}
    check_run(checked, base, refiner)
    return checked


def merge(*blocks: Settings) -> Settings:
    """Merge blocks of parameters; later blocks override earlier ones, key by key at every level."""
    return cast(Settings, OmegaConf.to_container(OmegaConf.merge(*blocks)))


def _chosen(key: str, name: str, named: dict[str, Settings], file: str) -> Settings:
    if name not in named:
        raise UserError(f"{unknown_name(key, name, sorted(named))}; add yours to conf/base/{file}")
    return named[name]


def _with_data(block: Settings, from_data: dict[str, Any], name: str) -> Settings:
    """A named block with the keys that the data set determines, which the block itself must not set."""
    if own := sorted(set(block) & set(from_data)):
        raise UserError(f"{name} sets {', '.join(own)}, which the data set determines: remove them from this block")
    return block | from_data


def _with_available_inputs(block: Settings, base: MapSourceSettings, kept: Sequence[str]) -> Settings:
    """A refiner's block whose `inputs` also have those of `inputs_if_available` that this base model gives."""
    if IF_AVAILABLE not in block:
        return block
    wished = block[IF_AVAILABLE]
    given = [name for name in base.available_inputs if name in kept or name == SEVERAL_MAPS]
    if not isinstance(wished, list) or not set(wished) <= set(MODEL_INPUTS):
        raise UserError(f"{IF_AVAILABLE} of a refiner is {wished!r}, expected a list of {', '.join(MODEL_INPUTS)}")
    others = {key: value for key, value in block.items() if key != IF_AVAILABLE}
    return others | {"inputs": [*block.get("inputs", []), *(name for name in wished if name in given)]}


def _training(values: Settings, where: str, share: float) -> Settings:
    """Complete training settings, with their epochs scaled by `share` to at least one."""
    training = validated(TrainingSettings, values, where).model_dump(mode="json")
    return training | {"epochs": max(1, round(share * training["epochs"]))}
