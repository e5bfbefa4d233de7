"""The interface of a base model to the rest of the project: a source of maps.

A source is a network that is trained or run here, or maps on disk that another program wrote. Each is a file of this
package and a `MapSourceKind` in `kinds`; `registry.MAP_SOURCES` lists them; a block of
`conf/base/parameters_base_models.yml` configures one under a name.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd
from pydantic import BaseModel
from torch import Tensor, nn

from prn_pipeline.data.store.array_store import Batch
from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.training.tiling import Tiles

if TYPE_CHECKING:
    from prn_pipeline.data.readers.map_folder import MapFolder
    from prn_pipeline.training.task import Objective


class MapSourceSettings(Protocol):
    """Settings of one kind of source: a frozen pydantic model whose field `kind` names it."""

    @property
    def kind(self) -> str:
        """Key of `registry.MAP_SOURCES`."""
        ...

    @property
    def classes(self) -> int:
        """Maps per image."""
        ...

    @property
    def trained_here(self) -> bool:
        """Whether base_training trains the model."""
        ...

    @property
    def seen(self) -> tuple[str, ...]:
        """Splits whose images the model has learned from; their maps are better than those of new images."""
        ...

    @property
    def available_inputs(self) -> tuple[str, ...]:
        """Arrays that logit_caching can keep in addition to the logits."""
        ...

    @property
    def has_network(self) -> bool:
        """Whether the source has a network that can be run on images."""
        ...

    @property
    def needs_support(self) -> bool:
        """Whether the network needs labelled images of what to segment as further input."""
        ...

    def model_dump(self, *, mode: str = "python") -> dict[str, Any]:
        """All fields as a dict; see `pydantic.BaseModel.model_dump`."""
        ...

    def suits(self, task: str) -> bool:
        """Whether the source can make maps for a task of `datasets.<name>.task`."""
        ...


@dataclass(frozen=True)
class DatasetPlace:
    """Location of a data set.

    Attributes:
        name: name of the data set.
        folder: folder of the data set below `data_root`; None for its name.
        data_root: folder of all data sets.
    """

    name: str
    folder: str | None
    data_root: Path


@dataclass(frozen=True)
class CacheRequest:
    """Options of a logit cache.

    Attributes:
        protocol: holdout or crossfit; see `map_assignment.assign_models`.
        fold_models: networks by name, fold-0, fold-1, ...; empty with holdout.
        batch_size: samples per forward pass.
        keep: arrays to keep in addition to the logits.
        tiles: tiles that larger samples are cut into.
        place: location of the data set.
        tta_scales: scales of the image at which TTA is repeated, where `keep` has it.
    """

    protocol: str
    fold_models: Mapping[str, nn.Module]
    batch_size: int
    keep: Collection[str]
    tiles: Tiles
    place: DatasetPlace
    tta_scales: Sequence[float] = ()


@dataclass(frozen=True)
class MapCache:
    """Maps that are computed while they are written.

    Attributes:
        manifest: one row per map: sample_id, split, fold, model, seen_in_training.
        models: digest of each model by its name in the manifest.
        make: function from rows of the manifest, int64 (n,), always all maps of an image, to their maps in order.
        probe: the same for logits alone, if that costs less; None if not.
        attributes: further facts to be stored with the maps, JSON-serialisable.
    """

    manifest: pd.DataFrame
    models: Mapping[str, str]
    make: Callable[[np.ndarray], Iterator[Batch]]
    probe: Callable[[np.ndarray], Iterator[Batch]] | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)


class MapSource(Protocol):
    """A base model, ready to make maps."""

    settings: Any

    @property
    def arrays(self) -> tuple[str, ...]:
        """Names of the stored arrays that the network reads, in order."""
        ...

    @property
    def runnable(self) -> nn.Module | None:
        """The network from images to logits (N,C,H,W); None if the source has only files of maps."""
        ...

    def check_size(self, size: int) -> None:
        """Raise UserError, with sizes that work, if the network does not support samples of side `size`."""
        ...

    def prepared(self, samples: Samples) -> Samples:
        """Samples that have all of `arrays`."""
        ...

    def map_cache(self, samples: Samples, maps: pd.DataFrame, request: CacheRequest) -> MapCache:
        """Plan the maps of all samples.

        Args:
            samples: samples with images.
            maps: manifest with one row per map (`class_maps.map_samples`).
            request: options.

        Raises:
            UserError: maps or fold models are missing.
        """
        ...

    def map_folder(self, place: DatasetPlace) -> MapFolder | None:
        """The folder of maps on disk; None if a network makes them."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Weights by name; empty for a source without weights."""
        ...

    def load_state_dict(self, state_dict: dict[str, Tensor], /) -> Any:
        """Load weights."""
        ...

    def parameters(self) -> Iterable[Tensor]:
        """Trainable weights."""
        ...

    def eval(self) -> Any:
        """Switch to eval mode, and return self."""
        ...


class TrainableSource(MapSource, Protocol):
    """A source that is trained here: an `nn.Module` with an objective."""

    def objective(self) -> Objective:
        """Loss and logits of a training batch."""
        ...


class MapSourceKind(Protocol):
    """One kind of source. To add one, write a file and its kind, and list it in `registry.MAP_SOURCES`."""

    @property
    def name(self) -> str:
        """Value of `kind` in settings."""
        ...

    @property
    def settings(self) -> type[BaseModel]:
        """A frozen pydantic model that satisfies `MapSourceSettings` and has fields `classes` and `channels`."""
        ...

    def build(self, settings: Any, pretrained: bool) -> Any:
        """The source (see `MapSource`).

        Args:
            settings: settings of this kind.
            pretrained: download or read the weights that the settings name; False if the caller loads weights.
        """
        ...
