"""Episodes of few-shot segmentation: a query, and its support: a few labelled images of the same category."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from prn_pipeline.data.store.array_store import ArrayStore
from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.errors import UserError

#: Column of the manifest: category of the object that a sample's mask shows.
CATEGORY = "category"
#: Column of the manifest of maps: ids of the support of a map, separated by tabs.
SUPPORT = "support"


def categories_of(manifest: pd.DataFrame, rows: np.ndarray) -> list[str]:
    """Category of each of these rows of a manifest; empty if the data set has no categories."""
    return list(manifest[CATEGORY].to_numpy()[rows]) if CATEGORY in manifest else []


def draw_episodes(ids: Sequence[str], categories: Sequence[str], shots: int, seed: int) -> np.ndarray:
    """Draw the support of every sample from the others of its category; the same draw on every machine.

    Args:
        ids: of the n samples.
        categories: of the n samples.
        shots: size of a support.
        seed: of the draw.

    Returns:
        Indices of the support of each sample, int64 (n, shots).

    Raises:
        UserError: a category has too few samples.
    """
    members: dict[str, list[int]] = defaultdict(list)
    for index, category in enumerate(categories):
        members[category].append(index)
    check_categories({category: len(indices) for category, indices in members.items()}, shots)

    drawn = []
    for query, category in enumerate(categories):
        others = {_key(seed, ids[query], ids[index]): index for index in members[category] if index != query}
        drawn.append([others[key] for key in sorted(others)[:shots]])
    return np.array(drawn, np.int64).reshape(-1, shots)


def _key(seed: int, query: str, other: str) -> bytes:
    """Sort key that depends on seed and names only, so no library version changes the draw."""
    return hashlib.sha256(f"{seed}/{query}/{other}".encode()).digest()


def check_categories(sizes: dict[str, int], shots: int) -> None:
    """Raise UserError if a query would have fewer than `shots` others in its category."""
    small = sorted(category for category, size in sizes.items() if size <= shots)
    if small:
        raise UserError(
            f"episodes of {shots} shots need {shots + 1} images of each category; {len(small)} of {len(sizes)} have"
            f" fewer, such as {', '.join(f'{name} ({sizes[name]})' for name in small[:3])}: lower `shots` of the base"
            " model, add images, or correct `split.group`, which gives each image its category"
        )


def support_ids(samples: Samples) -> list[str]:
    """Ids of the support of each row, separated by tabs.

    Args:
        samples: as returned by `episode_samples`.
    """
    assert isinstance(samples, EpisodeSamples)
    return samples.support_ids


def episode_samples(samples: Samples, shots: int, seed: int) -> EpisodeSamples:
    """Samples, each with its support; see `draw_episodes`."""
    ids, categories = (samples.manifest[name].tolist() for name in ("sample_id", CATEGORY))
    return EpisodeSamples(samples.manifest, samples.stores, draw_episodes(ids, categories, shots, seed))


@dataclass(frozen=True)
class EpisodeSamples(Samples):
    """Samples with two more arrays: `support_images` uint8 (n,K,S,S,3) and `support_masks` uint8 (n,K,S,S).

    Args:
        supports: rows of the support of each row, int64 (rows, K).
    """

    supports: np.ndarray = field(default_factory=lambda: np.empty((0, 0), np.int64))

    @property
    def support_ids(self) -> list[str]:
        """Ids of the support of each row, separated by tabs."""
        ids = self.manifest["sample_id"].to_numpy()
        return ["\t".join(ids[support]) for support in self.supports]

    def store_of(self, name: str) -> ArrayStore:
        """The store that holds the array `name`."""
        return super().store_of(name.removeprefix("support_"))

    def array(self, name: str, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """Rows of the array `name`."""
        if not name.startswith("support_"):
            return super().array(name, rows)
        wanted = self.supports[np.asarray(rows)]
        distinct, places = np.unique(wanted, return_inverse=True)
        return super().array(name.removeprefix("support_"), distinct)[places.reshape(wanted.shape)]
