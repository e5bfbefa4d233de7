"""Frames of videos are recognised by the similarity of neighbours."""

import logging

import numpy as np
import pytest
from scipy.ndimage import uniform_filter

from prn_pipeline.data.splits.video_frames import LEAST, SIDE, VIDEO, looks_like_video, share_alike, thumbnail


def scenery(seed: int, width: int) -> np.ndarray:
    """A wide landscape, uint8 (64, width, 3)."""
    draw = np.random.default_rng(seed)
    return np.repeat((255 * uniform_filter(draw.random((64, width)), 9)).astype(np.uint8)[..., None], 3, axis=2)


@pytest.fixture
def drive() -> list[np.ndarray]:
    """A camera that moves along a landscape, three pixels per frame."""
    landscape = scenery(0, 64 + 3 * 60)
    return [landscape[:, 3 * frame : 3 * frame + 64] for frame in range(60)]


def of(images: list[np.ndarray]) -> np.ndarray:
    return np.stack([thumbnail(image) for image in images])


def test_frames_differ_from_separate_pictures_and_from_shuffled_frames(drive: list[np.ndarray]) -> None:
    assert share_alike(of(drive)) > 2 * VIDEO
    assert share_alike(of([scenery(seed, 64) for seed in range(60)])) < VIDEO / 2
    order = np.random.default_rng(1).permutation(60)
    assert share_alike(of([drive[at] for at in order])) < VIDEO, "only the order of names gives frames away"


def test_exposure_does_not_matter_and_empty_pictures_are_not_a_video(drive: list[np.ndarray]) -> None:
    flicker = [np.uint8(image * (0.4 + 0.6 * (at % 2))) for at, image in enumerate(drive)]
    assert share_alike(of(flicker)) > 2 * VIDEO
    assert share_alike(of([np.zeros((64, 64, 3), np.uint8)] * 60)) == 0


def test_a_few_images_are_never_a_video(drive: list[np.ndarray]) -> None:
    assert share_alike(of(drive[: LEAST - 1])) == 0


@pytest.mark.parametrize("shape", [(64, 64, 3), (100, 37, 1), (5, 9, 3), (16, 16, 4)])
def test_a_thumbnail_has_mean_zero_and_length_one_at_any_size(shape: tuple[int, ...]) -> None:
    found = thumbnail(np.random.default_rng(0).integers(0, 65536, shape).astype(np.uint16))
    assert found.shape == (SIDE * SIDE,)
    assert abs(found.mean()) < 1e-4
    assert np.linalg.norm(found) == pytest.approx(1, abs=1e-4)


def test_values_of_a_thumbnail_are_means_of_patches(drive: list[np.ndarray]) -> None:
    means = drive[0][..., 0].astype(float).reshape(16, 4, 16, 4).mean((1, 3)).ravel()
    means -= means.mean()
    np.testing.assert_allclose(thumbnail(drive[0]), means / np.linalg.norm(means), atol=1e-5)


def test_a_video_gives_a_warning_with_the_remedy(drive: list[np.ndarray], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert looks_like_video("roads", of(drive))
    assert "data set 'roads': images look like frames of videos" in caplog.text
    assert "split: {group: {pattern: ...}}" in caplog.text
