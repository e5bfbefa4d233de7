"""`python -m benchmarks.promotion_nights`: how often challengers are promoted in many nights, by the real decision.

Each draw is a test set, a champion and a challenger every night, all on the same images. Equal challengers differ from
the champion by chance alone; better ones find more of the true pixels. Images of a group share a part of their luck.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from prn_pipeline.metrics.counts import COLUMNS
from prn_pipeline.metrics.scores import mean_iou
from prn_pipeline.serving.comparison import ComparisonSettings, compare


@dataclass(frozen=True)
class World:
    """A test set, and how models differ on it.

    Attributes:
        groups: number of groups.
        frames: images of a group.
        spread: standard deviation of a model's share of found pixels, between groups; in IoU about as much.
        noise: the same between images of a group.
        skew: sigma of the log-normal sizes of objects, between groups.
    """

    groups: int
    frames: int = 1
    spread: float = 0.03
    noise: float = 0.02
    skew: float = 0.5


def night_counts(world: World, draw: np.random.Generator, models: int, gain: float = 0.0) -> np.ndarray:
    """Counts int64 (models, images, 1, 6) of models on one test set; model 0 is the champion, the others challengers.

    Args:
        world: the test set.
        draw: random numbers.
        models: number of models.
        gain: share of the true pixels that challengers find in addition.
    """
    images = world.groups * world.frames
    shared = np.repeat(draw.normal(0.8, 0.08, world.groups), world.frames)  # an easy image is easy for all models
    luck = np.repeat(draw.normal(0, world.spread, (models, world.groups)), world.frames, axis=1)
    found = np.clip(shared + luck + draw.normal(0, world.noise, (models, images)), 0.02, 0.99)
    found[1:] = np.clip(found[1:] + gain, 0, 1)
    size = np.repeat(2000 * draw.lognormal(0, world.skew, world.groups), world.frames)
    counts = np.zeros((models, images, 1, len(COLUMNS)), np.int64)
    counts[:, :, 0, 0] = found * size
    counts[:, :, 0, 2] = size.astype(np.int64) - counts[:, :, 0, 0]
    counts[:, :, 0, 1] = 0.1 * size * np.clip(1 + draw.normal(0, 0.2, (models, images)), 0, None)
    return counts


def manifest_of(world: World, counts: np.ndarray, grouped: bool = True) -> pd.DataFrame:
    """The manifest of the test images, with the columns that the decision reads; `grouped`: groups are named."""
    images = np.arange(world.groups * world.frames)
    share = (counts[0, :, 0, 0] + counts[0, :, 0, 2]) / counts[0, :, 0].sum(1)
    group = images // world.frames if grouped else images
    return pd.DataFrame({"group": group.astype(str), "native_height": 99, "native_width": 99, "foreground": share})


def is_promoted(
    world: World, settings: ComparisonSettings, nights: int, seed: int, gain: float = 0.0, grouped: bool = True
) -> bool:
    """Whether any of the challengers of so many nights is promoted in one draw; see `night_counts`.

    Nights without a gain are skipped, because their challengers are never promoted.
    """
    counts = night_counts(world, np.random.default_rng(seed), nights + 1, gain)
    manifest = manifest_of(world, counts, grouped)
    ious = mean_iou(counts.sum(1))
    return any(
        compare(counts[night], counts[0], manifest, (), settings, night)["promoted"]
        for night in range(1, nights + 1)
        if ious[night] > ious[0]
    )


def promoted_share(
    world: World, settings: ComparisonSettings, nights: int, draws: int, gain: float = 0.0, grouped: bool = True
) -> float:
    """Share of the draws in which a challenger is promoted within the nights."""
    return sum(is_promoted(world, settings, nights, seed, gain, grouped) for seed in range(draws)) / draws


def power(world: World, settings: ComparisonSettings, night: int, draws: int, gain: float) -> float:
    """Share of the draws in which a better challenger that arrives in a night is promoted at once."""
    promoted = 0
    for seed in range(draws):
        counts = night_counts(world, np.random.default_rng(seed), 2, gain)
        manifest = manifest_of(world, counts)
        promoted += bool(compare(counts[1], counts[0], manifest, (), settings, night)["promoted"])
    return promoted / draws


def default_settings() -> ComparisonSettings:
    """Those of conf/base."""
    file = Path(__file__).parents[1] / "conf/base/parameters_promotion.yml"
    return ComparisonSettings.model_validate(yaml.safe_load(file.read_text())["promotion"]["comparison"])


def main(draws: int) -> None:
    """Print both tables."""
    settings = default_settings()
    unguarded = settings.model_copy(update={"margin": 0.0, "smallest_test": 2, "slices": ()})
    print("equal challengers promoted within 30 nights, %: defaults; margin 0, smallest_test 2, no slices")
    for groups, frames in ((5, 20), (6, 20), (10, 10), (20, 1), (20, 20), (50, 1), (100, 1), (200, 1), (200, 5)):
        world = World(groups, frames)
        shares = [100 * promoted_share(world, one, 30, draws) for one in (settings, unguarded)]
        print(f"{groups:4d} groups x {frames:2d} images: {shares[0]:5.2f}  {shares[1]:5.2f}")
    print("better challengers promoted in night 1, 5, 20, %: defaults; without slices")
    for groups in (20, 50, 100, 200):
        for gain in (0.01, 0.02, 0.03):
            shares = [
                100 * power(World(groups), one, night, draws, gain)
                for one in (settings, settings.model_copy(update={"slices": ()}))
                for night in (1, 5, 20)
            ]
            print(f"{groups:4d} images, {100 * gain:+.0f} points: " + "  ".join(f"{share:5.1f}" for share in shares))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--draws", type=int, default=400)
    main(parser.parse_args().draws)
