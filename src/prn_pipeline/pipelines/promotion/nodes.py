"""Pack the networks of a run into a predictor, and compare it with the champion."""

import logging
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd

from prn_pipeline.comparison.scores_file import BEST_FREE
from prn_pipeline.data.image_values import WHITE
from prn_pipeline.data.readers.factory import make_reader
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.data.store.array_store import ArrayStore
from prn_pipeline.layout.scopes import scope_path
from prn_pipeline.metrics.descriptions import Descriptions
from prn_pipeline.promotion.challenge import challenge
from prn_pipeline.promotion.registry import Registry
from prn_pipeline.refinement.protocol import Refiner
from prn_pipeline.reporting.model_card import model_card
from prn_pipeline.segmentation.protocol import DatasetPlace, MapSource
from prn_pipeline.serving.evaluation import TestImages
from prn_pipeline.serving.predictor import Predictor
from prn_pipeline.serving.promotion_settings import ComparisonSettings, FirstChampionSettings
from prn_pipeline.serving.settings import PredictorSettings

logger = logging.getLogger(__name__)


def pack_predictor(
    base_model: MapSource,
    refiner: Refiner,
    descriptions: ArrayStore,
    expected_iou: dict[str, Any],
    manifest: pd.DataFrame,
    run: dict[str, Any],
    settings: dict[str, Any],
    tiles: dict[str, int],
) -> Predictor:
    """A predictor of base model and refiner, with the settings that prepare images for them."""
    seen = manifest.loc[manifest["split"] != "test", "sha256"]
    predictor_settings = PredictorSettings.model_validate(
        {
            "image_size": run["dataset"]["image_size"],
            "bands": run["dataset"]["bands"],
            "white": manifest.attrs.get(WHITE),
            "first_page": run["dataset"].get("first_page", False),
            "classes": run["dataset"]["classes"],
            "tiles": tiles,
            "made_by": scope_path("run", run["names"]),
            "learned_from": tuple(sorted(seen)),
            "expected_iou": expected_iou.get("estimate"),
            **settings,
        }
    )
    reference = Descriptions(**{name: descriptions.read(name, slice(None)) for name in Descriptions._fields})
    return Predictor(base_model, refiner, predictor_settings, reference)


def write_card(run: dict[str, Any], scores: dict[str, Any], dataset_summary: dict[str, Any]) -> str:
    """The model card, beside the predictor."""
    return model_card(run, scores, dataset_summary)


def challenge_champion(
    predictor: Predictor,
    manifest: pd.DataFrame,
    scores: dict[str, Any],
    run: dict[str, Any],
    data_root: str,
    settings: dict[str, Any],
) -> dict[str, Any]:
    """Compare the predictor with the registry's champion on the test images, and promote it if it is better.

    The decision also has the run's gain over the best method that needs no training, from its scores.
    """
    name, dataset = run["names"]["dataset"], DatasetSettings.model_validate(run["dataset"])
    test = manifest[manifest["split"] == "test"]
    reader = make_reader(name, dataset, Path(data_root)).scaled(manifest.attrs.get(WHITE))
    images = TestImages(test, reader, DatasetPlace(name, dataset.folder, Path(data_root)))
    registry = Registry(settings["model"] or name)
    decision = challenge(
        registry,
        predictor,
        images,
        ComparisonSettings.model_validate(settings["comparison"]),
        FirstChampionSettings.model_validate(settings.get("first_champion", {})),
        scores,
    )
    decision[BEST_FREE] = scores["gain"][BEST_FREE]
    mlflow.set_tag("promotion", decision["outcome"])
    result = "is the new champion" if decision["promoted"] else "is not promoted"
    logger.info("%s: version %s %s: %s", registry.name, decision["challenger"]["version"], result, decision["why"])
    return decision
