"""The interface of a refiner to the rest of the project.

A refiner is a folder of this package: settings, a network, an objective or another way to fit it, and a `kind.py` that
ties them together. `registry.REFINERS` lists the kinds; a block of `conf/base/parameters_refiners.yml` names one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import pandas as pd
from pydantic import BaseModel
from torch import Tensor, nn

from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.training.tiling import Tiles

if TYPE_CHECKING:
    from prn_pipeline.training.callbacks import EpochListener
    from prn_pipeline.training.job import TrainingResult
    from prn_pipeline.training.settings import TrainingSettings


class RefinerSettings(Protocol):
    """Settings of one kind of refiner: a frozen pydantic model whose field `network` names the kind."""

    @property
    def network(self) -> str:
        """Key of `registry.REFINERS`."""
        ...

    @property
    def arrays(self) -> tuple[str, ...]:
        """Names of the stored arrays that the refiner reads, in the order of `forward`; the base logits come first."""
        ...

    @property
    def multiple(self) -> int:
        """Heights and widths of maps must be multiples of this many pixels."""
        ...

    @property
    def sees_whole_maps(self) -> bool:
        """Whether the refiner needs whole maps: on tiles its output would be different."""
        ...

    @property
    def fewest_groups(self) -> int:
        """Smallest number of groups of unseen images that fitting needs: some to learn from, others to select by."""
        ...

    def model_dump(self, *, mode: str = "python") -> dict[str, Any]:
        """All fields as a dict; see `pydantic.BaseModel.model_dump`."""
        ...


class Refiner(nn.Module, ABC):
    """Base class of all refiners: modules from base logits to refined logits."""

    settings: Any

    #: Whether the refiner reads the image and not the base model's maps, so that it needs no pass of the base model.
    replaces_base_model = False

    @property
    def maps_per_pass(self) -> int:
        """The number of rows of `forward` must be a multiple of this: neighbouring rows that one pass computes."""
        return 1

    @property
    def arrays(self) -> tuple[str, ...]:
        """See `RefinerSettings.arrays`."""
        found: tuple[str, ...] = self.settings.arrays
        return found

    @property
    def sees_whole_maps(self) -> bool:
        """See `RefinerSettings.sees_whole_maps`; a trained refiner may need whole maps although its kind does not."""
        return bool(self.settings.sees_whole_maps)

    @property
    def guard(self) -> Mapping[str, float] | None:
        """The correction selected on held-out maps, for the scores JSON; None for a refiner without a guard."""
        return None

    def held_out(self, maps: LearningMaps) -> Iterator[HeldOut]:
        """Learning maps that no weight was fitted to, with what refines them; nothing for a refiner without such maps.

        Args:
            maps: the maps that it was fitted on.
        """
        return iter(())

    @abstractmethod
    def forward(self, base_logits: Tensor, *inputs: Tensor) -> Tensor:
        """Base logits float (N,1,H,W) and the other arrays in order -> logits (N,1,H,W), foreground above 0."""


@dataclass(frozen=True)
class LearningMaps:
    """The maps that a refiner is fitted on.

    Attributes:
        samples: samples with arrays logits, labels (pseudo-labels) and masks, and the other inputs of the refiner.
        map_manifest: manifest of the logit cache: which model made each map, and whether it had seen the image.
    """

    samples: Samples
    map_manifest: pd.DataFrame


class HeldOut(NamedTuple):
    """Maps that a network has not learned from.

    Attributes:
        rows: rows of these maps, all of each image, int64 (n,).
        network: refines them, with `arrays` and `sees_whole_maps` of a `Refiner`.
    """

    rows: np.ndarray
    network: nn.Module


@dataclass(frozen=True)
class BaseTraining:
    """The base model of a run and how it was trained, for refiners that train its network.

    Attributes:
        model: the trained base model, a `TrainableSource` of the room `segmentation`, which this room does not know.
        settings: of its training.
        epochs: number of epochs that its training took; 0 for a model that was not trained here.
    """

    model: Any
    settings: TrainingSettings
    epochs: int


@dataclass(frozen=True)
class FittingPlan:
    """How a refiner is fitted.

    Attributes:
        training: settings of the training loop.
        seed: see `training.loop.fit`.
        checkpoints: root of the checkpoint folders.
        listener: called after every epoch.
        tiles: tiles that larger maps are cut into when the refiner is evaluated.
        base: the base model, for refiners that train its network.
    """

    training: TrainingSettings
    seed: int
    checkpoints: Path
    listener: EpochListener | None = None
    tiles: Tiles = field(default_factory=Tiles)
    base: BaseTraining | None = None


class Fit(Protocol):
    """Fits a refiner of one kind."""

    def __call__(self, maps: LearningMaps, settings: Any, plan: FittingPlan) -> TrainingResult:
        """A trained refiner and its history.

        Raises:
            UserError: too few maps for learning and for selection.
        """
        ...


class RefinerKind(Protocol):
    """One kind of refiner. To add one, write a folder and list its kind in `registry.REFINERS`."""

    @property
    def name(self) -> str:
        """Value of `network` in settings."""
        ...

    @property
    def settings(self) -> type[BaseModel]:
        """A frozen pydantic model that satisfies `RefinerSettings` and has a field `image_channels`."""
        ...

    @property
    def fitting(self) -> str:
        """`package.module:function` of a `Fit`: a name, so that using a trained refiner imports no training code."""
        ...

    def build(self, settings: Any) -> Refiner:
        """The untrained refiner, ready for `load_state_dict`."""
        ...
