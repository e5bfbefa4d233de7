"""What `prn curve` takes from a project, and where it puts its results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from kedro.io import DataCatalog

from prn_pipeline.configuration.model_checks import check_base_network, check_inputs, check_tiles
from prn_pipeline.configuration.parameters import RUN_NAMES, Settings
from prn_pipeline.configuration.project_configuration import ProjectConfiguration, read_configuration
from prn_pipeline.data.store.class_maps import map_samples
from prn_pipeline.data.store.locations import location
from prn_pipeline.errors import UserError
from prn_pipeline.layout.scopes import SCOPE_OF, SCOPES
from prn_pipeline.refinement.base_network.kind import BASE_NETWORK
from prn_pipeline.refinement.protocol import BaseTraining, FittingPlan, LearningMaps
from prn_pipeline.refinement.registry import read_settings
from prn_pipeline.stages.label_curve.curve import CurvePlan, CurveRefiner
from prn_pipeline.stages.label_curve.points import PointStore, maps_digest
from prn_pipeline.training.settings import TrainingSettings
from prn_pipeline.training.tiling import Tiles

#: Catalog entries that the curve needs -> stage that writes them.
NEEDED = {
    "samples": "ingestion",
    "manifest": "ingestion",
    "logits": "logit_caching",
    "map_manifest": "logit_caching",
    "pseudo_labels": "pseudo_labelling",
}
#: Further ones that training the base model's network needs.
NEEDED_BY_NETWORK = {"base_model": "base_training", "base_history": "base_training"}
#: Catalog entry of the result; table and figure are beside it, and measured draws in a folder of that name.
CURVE = "label_curve"


@dataclass(frozen=True)
class CurveInputs:
    """The stored maps of a base model, refiners to fit, and where results go."""

    names: dict[str, Any]
    maps: LearningMaps
    refiners: dict[str, CurveRefiner]
    plan: CurvePlan
    points: PointStore
    catalog: DataCatalog

    @property
    def file(self) -> Path:
        """The JSON file of the curve."""
        file: Path = self.catalog[CURVE]._filepath  # type: ignore[attr-defined]
        return file

    @property
    def report_command(self) -> str:
        """What makes the report of the first refiner's run again."""
        run = self.names | {"refiner": next(iter(self.refiners))}
        return f"kedro run --pipelines reporting --params {','.join(f'{name}={run[name]}' for name in RUN_NAMES)}"

    def save(self, found: dict[str, Any], rows: list[dict[str, Any]], picture: bytes) -> None:
        """Write the curve, its table and its figure, each atomically."""
        self.catalog[f"{CURVE}_figure"].save(picture)
        self.catalog[f"{CURVE}_table"].save(pd.DataFrame(rows))
        self.catalog[CURVE].save(found)


def open_curve(
    project: Path, overrides: Settings, refiners: Sequence[str], sizes: Sequence[int], draws: int
) -> CurveInputs:
    """Open what earlier runs have stored.

    Args:
        project: root of the project.
        overrides: parameters of the command line.
        refiners: names; none for the configured one.
        sizes: numbers of labelled images.
        draws: draws per size.

    Raises:
        UserError: a name or a parameter is wrong, a refiner does not suit the base model, or the maps are missing.
    """
    configuration = read_configuration(project, overrides)
    refiners = list(dict.fromkeys(refiners)) or [configuration.parameters["refiner"]]
    resolved = {name: configuration.with_refiner(name) for name in refiners}
    for parameters in resolved.values():
        for check in (check_base_network, check_inputs, check_tiles):
            check(parameters)
    trains_network = any(one["run"]["refiner"]["network"] == BASE_NETWORK.name for one in resolved.values())
    catalog = DataCatalog.from_config(configuration.catalog)
    _check_stored(catalog, NEEDED | (NEEDED_BY_NETWORK if trains_network else {}), configuration)
    stored = {name: catalog.load(name) for name in ("samples", "logits", "pseudo_labels")}
    samples = map_samples(catalog.load("manifest"), stored)
    base = _base(catalog, configuration.parameters) if trains_network else None
    parameters = configuration.parameters
    return CurveInputs(
        {name: parameters["run"]["names"][name] for name in SCOPES["base"]},
        LearningMaps(samples, catalog.load("map_manifest")),
        {name: _refiner(one, base) for name, one in resolved.items()},
        CurvePlan(
            sizes,
            draws,
            parameters["seed"],
            parameters["pseudo_labelling"]["patch_size"],
            parameters["evaluation"]["batch_size"],
            parameters["evaluation"]["resamples"],
        ),
        PointStore(location(configuration.catalog[CURVE]["filepath"]).with_suffix(""), maps_digest(samples)),
        catalog,
    )


def _base(catalog: DataCatalog, parameters: Settings) -> BaseTraining:
    training = TrainingSettings.model_validate(parameters["run"]["base_training"])
    return BaseTraining(catalog.load("base_model"), training, len(catalog.load("base_history")))


def _refiner(parameters: Settings, base: BaseTraining | None) -> CurveRefiner:
    training = TrainingSettings.model_validate(parameters["run"]["prn_training"])
    checkpoints = Path(parameters["checkpoints"]) / CURVE
    plan = FittingPlan(training, parameters["seed"], checkpoints, tiles=Tiles(**parameters["tiles"]), base=base)
    return CurveRefiner(read_settings(parameters["run"]["refiner"]), plan)


def _check_stored(catalog: DataCatalog, needed: dict[str, str], configuration: ProjectConfiguration) -> None:
    missing = {name: stage for name, stage in needed.items() if not catalog.exists(name)}
    if not missing:
        return
    first = list(SCOPE_OF).index(min(missing.values(), key=list(SCOPE_OF).index))
    last = list(SCOPE_OF).index("pseudo_labelling")
    stages = ",".join(list(SCOPE_OF)[first : last + 1])
    names = configuration.parameters["run"]["names"]
    run = ",".join(f"{name}={names[name]}" for name in SCOPES["base"])
    raise UserError(
        f"there are no stored maps of base model {names['base_model']!r} on data set {names['dataset']!r}, seed"
        f" {names['seed']} ({', '.join(missing)} missing): run kedro run --pipelines {stages} --params {run} first"
    )
