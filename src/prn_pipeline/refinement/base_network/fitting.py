"""Training of the base model's network on the labelled images that a refiner may learn from."""

from __future__ import annotations

import copy
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import Any

import numpy as np
from torch import nn

from prn_pipeline.data.store.map_manifest import learning_rows, seen_rows
from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.errors import UserError
from prn_pipeline.refinement.base_network.refiner import BaseNetwork
from prn_pipeline.refinement.base_network.settings import BaseNetworkSettings
from prn_pipeline.refinement.fold_assignment import assign_map_folds
from prn_pipeline.refinement.protocol import BaseTraining, FittingPlan, LearningMaps
from prn_pipeline.training.checkpoints import checkpoint_folder
from prn_pipeline.training.job import TrainingResult
from prn_pipeline.training.loop import fit
from prn_pipeline.training.samples import StoredSamples
from prn_pipeline.training.settings import TrainingSettings

logger = logging.getLogger(__name__)

#: Parts of the images that choose the learning rate; each is left out of one training.
PARTS = 2
#: No choice of an epoch, which would favour a rate, and would be another on other images.
TO_THE_END = {"keep": "last", "keep_untrained": False, "early_stop_patience": None}
ARRAYS = {"inputs": "images", "masks": "masks"}
#: The base model as its own training started. A name, because this room knows no base models.
BUILD = "prn_pipeline.segmentation.registry:build_base_model"


def fit_base_network(maps: LearningMaps, settings: BaseNetworkSettings, plan: FittingPlan) -> TrainingResult:
    """Train all weights of the base model's network; the last ones are kept, because no image is held out.

    The number of steps is fixed, so that the same seed gives the same weights. The seconds that they take, those for
    the choice of the learning rate included, are in the costs of the stage.

    Raises:
        UserError: the plan has no base model; too few groups of images; a crop that the network does not support.
    """
    if plan.base is None:
        raise UserError("a refiner with network base_network needs the base model: pass it as FittingPlan.base")
    map_rows, maps_per_image = learning_rows(maps.map_manifest), maps.samples.maps_per_image
    if settings.seen_images:
        map_rows = np.union1d(map_rows, seen_rows(maps.map_manifest))
    images, rows = _images(maps.samples), map_rows[::maps_per_image] // maps_per_image
    training = _training(settings, plan.training, plan.base, images, len(rows))
    for side in sorted(set(images.canvas.shape)):
        plan.base.model.check_size(min(training.augmentation.crop or side, side))
    trainer = _Trainer(plan.base.model, settings, images, plan, maps.samples)
    rate = trainer.best_rate(settings.learning_rates or (training.learning_rate,), training, rows)
    result = trainer.train(rows, None, training.model_copy(update={"learning_rate": rate}), "prn")
    fitted = {"learning_rate": rate, "base_model": plan.base.model.settings.model_dump(mode="json")}
    return TrainingResult(BaseNetwork(settings.model_copy(update=fitted), result.network).eval(), result.history)


def _images(samples: Samples) -> Samples:
    """One row per image, with class ids as masks if there are classes."""
    manifest = samples.manifest.iloc[:: samples.maps_per_image].reset_index(drop=True)
    manifest.attrs = dict(samples.manifest.attrs)
    return Samples(manifest, {"samples": samples.store_of("images")})


def _training(
    settings: BaseNetworkSettings, own: TrainingSettings, base: BaseTraining, images: Samples, count: int
) -> TrainingSettings:
    """How to train on `count` images: as `own` says, or as the base model was, for its steps and those of `own`."""
    if settings.start == "trained":
        return own
    learned = int((images.manifest["split"] == "train").sum())
    steps = base.epochs * _steps(base.settings, learned) + own.epochs * _steps(own, count)
    epochs = max(1, -(-steps // _steps(base.settings, count)))
    return base.settings.unvalidated(epochs).model_copy(update={"epochs": epochs})


def _steps(training: TrainingSettings, images: int) -> int:
    """Optimizer steps of one epoch."""
    return training.steps_per_epoch or max(1, -(-images // training.batch_size))


@dataclass(frozen=True)
class _Trainer:
    """Trains the network of one base model on some of the images.

    Attributes:
        model: the trained base model.
        settings: of the refiner.
        images: one row per image.
        plan: seed, checkpoints, listener.
        maps: samples with the stores of maps, which record the weights of the base model that made them: a training
            must not resume from checkpoints of other weights.
    """

    model: Any
    settings: BaseNetworkSettings
    images: Samples
    plan: FittingPlan
    maps: Samples

    def best_rate(self, rates: Sequence[float], training: TrainingSettings, rows: np.ndarray) -> float:
        """The learning rate with the best val_iou_micro after the last step, as a mean over parts that are left out."""
        if len(rates) == 1:
            return rates[0]
        folds = assign_map_folds(self.images.manifest.iloc[rows], PARTS)
        ious = {}
        for rate in rates:
            tried = training.model_copy(update={"learning_rate": rate, **TO_THE_END})
            parts = [
                self.train(rows[folds != part], rows[folds == part], tried, f"prn without part {part}")
                for part in range(PARTS)
            ]
            ious[rate] = float(np.mean([part.history["val_iou_micro"].iloc[-1] for part in parts]))
        best = max(rates, key=ious.__getitem__)
        found = ", ".join(f"{iou:.4f} with {rate:g}" for rate, iou in ious.items())
        logger.info("learning rate %g: val_iou_micro on images left out is %s", best, found)
        return best

    def train(
        self, rows: np.ndarray, left_out: np.ndarray | None, training: TrainingSettings, name: str
    ) -> TrainingResult:
        """One training on `rows`, validated on the rows that are left out, if any."""
        seed, memory = self.plan.seed, training.memory_bytes
        defining = (self.settings, self.model.settings, training)
        return fit(
            self._build,
            self.model.objective(),
            StoredSamples(self.images, rows, ARRAYS, training.augmentation, memory=memory),
            None if left_out is None else StoredSamples(self.images, left_out, ARRAYS, memory=memory),
            training,
            seed,
            checkpoint_folder(self.plan.checkpoints, self.maps, name.replace(" ", "-"), seed, *defining),
            name,
            self.plan.listener if left_out is None else None,
        )

    def _build(self) -> nn.Module:
        if self.settings.start == "trained":
            return copy.deepcopy(self.model)
        return resolve_name(BUILD)(self.model.settings)
