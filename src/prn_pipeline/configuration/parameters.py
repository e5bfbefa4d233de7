"""The schema of every parameter of the pipelines."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from prn_pipeline.data.execution.settings import EngineSettings
from prn_pipeline.refinement.pseudo_labels.candidates import MAX_LEVELS
from prn_pipeline.serving.promotion_settings import ComparisonSettings, FirstChampionSettings
from prn_pipeline.serving.user_settings import ServingSettings
from prn_pipeline.training.tiles import Tiles

Settings = dict[str, Any]


#: Parameters that identify a run, in the order of its paths.
RUN_NAMES = ("dataset", "base_model", "refiner", "seed")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class IngestionParameters(_Strict):
    """Where the data sets are."""

    data_root: str


class LogitCachingParameters(_Strict):
    """Which model makes the maps that the refiner learns from, and which arrays the cache keeps."""

    protocol: Literal["holdout", "crossfit"]
    keep: list[Literal["tta", "features"]]
    tta_scales: list[Annotated[float, Field(ge=0.25, le=4)]]
    batch_size: int = Field(ge=1)


class PseudoLabellingParameters(_Strict):
    """Optimal patch-wise binarization."""

    patch_size: int = Field(ge=4)
    levels: int | None = Field(ge=1, le=MAX_LEVELS)


class EvaluationParameters(_Strict):
    """How the methods are evaluated on test images."""

    resolution: Literal["model", "native"]
    resamples: int = Field(ge=100)
    batch_size: int = Field(ge=1)
    reference_images: int = Field(ge=2)


class ReportingParameters(_Strict):
    """What the report shows."""

    gallery_rows: int = Field(ge=1, le=50)
    browsed_images: int = Field(ge=0, le=1000)


class PromotionParameters(_Strict):
    """When a predictor replaces the champion in the registry."""

    model: str | None = Field(min_length=1, pattern=r"^[^/:]+$")
    comparison: ComparisonSettings
    first_champion: FirstChampionSettings = FirstChampionSettings()


class Parameters(_Strict):
    """All of `conf/*/parameters*.yml`."""

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)  # a caller may name a data set 2018

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
