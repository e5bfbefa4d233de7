"""The schema of every parameter of the pipelines."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from prn_pipeline.data.execution.settings import EngineSettings
from prn_pipeline.refinement.pseudo_labels.candidates import MAX_LEVELS
from prn_pipeline.segmentation.input_names import TTA, TTA_SCALES
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

    data_root: str = Field(description="folder with one subfolder per data set")


class LogitCachingParameters(_Strict):
    """Which model makes the maps that the refiner learns from, and which arrays the cache keeps."""

    protocol: Literal["holdout", "crossfit"] = Field(
        description="`holdout`: the refiner learns from the maps of val; `crossfit`: from out-of-fold maps of train and"
        " val, for one more base model per fold"
    )
    keep: list[Literal["tta", "features"]] = Field(
        description="inputs for refiners that are stored with the logits: mean and spread over four flips, the last"
        " features of the decoder"
    )
    tta_scales: list[Annotated[float, Field(ge=0.25, le=4)]] = Field(
        description="with tta: scales at which the flips are repeated, for a method that is compared and for refiners"
        " that read tta_scales; []: none"
    )
    batch_size: int = Field(ge=1, description="images per forward pass")

    @property
    def further(self) -> tuple[str, ...]:
        """Names of the arrays that the cache keeps in addition to the logits, where the base model gives them."""
        return (*self.keep, *([TTA_SCALES] if TTA in self.keep and self.tta_scales else []))


class PseudoLabellingParameters(_Strict):
    """Optimal patch-wise binarization."""

    patch_size: int = Field(ge=4, description="side of a patch in pixels; it divides the data set's image_size")
    levels: int | None = Field(ge=1, le=MAX_LEVELS, description="candidate thresholds; null: the exact optimum")


class EvaluationParameters(_Strict):
    """How the methods are evaluated on test images."""

    resolution: Literal["model", "native"] = Field(
        description="`model`: scores at image_size; `native`: at the size of the original images"
    )
    resamples: int = Field(ge=100, description="bootstrap resamples of the test images")
    batch_size: int = Field(ge=1, description="images per forward pass")
    reference_images: int = Field(
        ge=2, description="most training images to describe, with which drift compares new ones"
    )


class ReportingParameters(_Strict):
    """What the report shows."""

    gallery_rows: int = Field(ge=1, le=50, description="images each of the best, median and worst gain")
    browsed_images: int = Field(ge=0, le=1000, description="most small pictures of test images to browse by gain")


class PromotionParameters(_Strict):
    """When a predictor replaces the champion in the registry."""

    model: str | None = Field(
        min_length=1, pattern=r"^[^/:]+$", description="name in MLflow's registry; null: that of the data set"
    )
    comparison: ComparisonSettings
    first_champion: FirstChampionSettings = FirstChampionSettings()


class Parameters(_Strict):
    """All of `conf/*/parameters*.yml`."""

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)  # a caller may name a data set 2018

    dataset: str = Field(description="a block below `datasets`")
    base_model: str = Field(description="a block below `base_models`")
    refiner: str = Field(description="a block below `refiners`")
    seed: int = Field(ge=0, description="of all trainings of the run, and part of its paths")
    checkpoints: str = Field(description="folder of the checkpoints from which interrupted trainings continue")
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
