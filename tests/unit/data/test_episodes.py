"""Episodes: which support each query gets, and how it is read."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from prn_pipeline.data.episodes import CATEGORY, draw_episodes, episode_samples
from prn_pipeline.data.store.array_store import ArrayStore, ArrayStream, write_arrays
from prn_pipeline.data.store.sample_store import IDENTITY, Samples
from prn_pipeline.errors import UserError
from prn_pipeline.training.episodes import Episodes
from prn_pipeline.training.samples import StoredSamples

IDS = [f"{category}_{number}" for category in ("cat", "dog", "owl") for number in range(4)]
CATEGORIES = [sample_id[:3] for sample_id in IDS]


@pytest.fixture
def samples(tmp_path: Path) -> Samples:
    """All pixels of image i and of its mask have value i."""
    values = np.arange(12, dtype=np.uint8)
    images = np.broadcast_to(values[:, None, None, None], (12, 16, 16, 3)).copy()
    masks = np.broadcast_to(values[:, None, None], (12, 16, 16)).copy()
    manifest = pd.DataFrame({"sample_id": IDS, CATEGORY: CATEGORIES, "split": "train"})
    manifest.attrs[IDENTITY] = "animals"
    write_arrays(tmp_path / "s.zarr", ArrayStream([{"images": images, "masks": masks}], {IDENTITY: "animals"}))
    return Samples(manifest, {"samples": ArrayStore(tmp_path / "s.zarr")})


@pytest.mark.parametrize("shots", [1, 3])
def test_a_query_gets_distinct_others_of_its_category(shots: int) -> None:
    drawn = draw_episodes(IDS, CATEGORIES, shots, seed=0)
    assert drawn.shape == (12, shots)
    for query, support in enumerate(drawn):
        assert query not in support
        assert len(set(support)) == shots
        assert {CATEGORIES[index] for index in support} == {CATEGORIES[query]}
    assert (drawn == draw_episodes(IDS, CATEGORIES, shots, seed=0)).all()


def test_an_episode_depends_on_its_category_and_the_seed_only() -> None:
    drawn = draw_episodes(IDS, CATEGORIES, 2, seed=0)
    alone = draw_episodes(IDS[4:8], CATEGORIES[4:8], 2, seed=0)
    assert (drawn[4:8] == alone + 4).all()
    assert (drawn != draw_episodes(IDS, CATEGORIES, 2, seed=1)).any()


def test_a_category_that_is_too_small_is_named() -> None:
    with pytest.raises(
        UserError, match=r"4 shots need 5 images of each category; 3 of 3 have fewer, such as cat \(4\)"
    ):
        draw_episodes(IDS, CATEGORIES, 4, seed=0)


def test_support_is_read_like_any_array(samples: Samples) -> None:
    episodes = episode_samples(samples, shots=2, seed=0)
    rows = np.array([5, 0, 11])
    shown = episodes.array("support_images", rows)
    assert shown.shape == (3, 2, 16, 16, 3)
    assert (shown[:, :, 0, 0, 0] == episodes.supports[rows]).all()
    assert (episodes.array("support_masks", rows)[:, :, 3, 3] == episodes.supports[rows]).all()
    assert (episodes.array("images", rows)[:, 0, 0, 0] == rows).all()
    assert episodes.support_ids[5].split("\t") == [IDS[index] for index in episodes.supports[5]]


def test_training_draws_support_again_and_validation_does_not(samples: Samples) -> None:
    stored = StoredSamples(samples, np.arange(12), {"inputs": "images", "masks": "masks"})
    categories = np.array(CATEGORIES)
    torch.manual_seed(0)
    training = Episodes(stored, categories, 2)
    supports = [tuple(training[6]["support_masks"][:, 0, 0].tolist()) for _ in range(20)]
    assert len(set(supports)) > 1
    assert all(set(support) <= {4, 5, 7} for support in supports)
    drawn = draw_episodes(IDS, CATEGORIES, 2, seed=3)
    fixed = Episodes(stored, categories, 2, drawn)
    for index, episode in enumerate(fixed.__getitems__(list(range(12)))):
        assert episode["inputs"].shape == (3, 16, 16)
        assert episode["support_images"].shape == (2, 3, 16, 16)
        assert episode["support_images"][:, 0, 0, 0].tolist() == drawn[index].tolist()
