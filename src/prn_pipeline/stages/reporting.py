"""What the report shows of the stored maps: statistics of their errors, and test images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit

from prn_pipeline.data.shades import as_colours
from prn_pipeline.data.store.array_store import ArrayStore
from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.metrics.map_statistics import NO_PADDING, MapStatistics, MapStatisticsCounter
from prn_pipeline.reporting.browse import small_pictures, spread
from prn_pipeline.reporting.dataset.samples import ShownSample, choose, shown_samples
from prn_pipeline.reporting.inputs import GalleryRow, SmallPictures
from prn_pipeline.reporting.labels import BASE, REFINER
from prn_pipeline.stages.evaluation.map_pairs import stream_batches


def map_statistics(samples: Samples, refined: ArrayStore, patch_size: int) -> dict[str, MapStatistics]:
    """Statistics of the test maps of the base model ("base") and the refiner ("refined")."""
    counters = {name: MapStatisticsCounter(patch_size) for name in (BASE, REFINER)}
    rows, done = samples.rows(["test"]), 0
    for batch in stream_batches(samples, refined, rows):
        ((_, region),) = samples.regions(rows[done : done + 1])
        padding = samples.canvas.padding(region) if region else NO_PADDING
        done += len(batch.masks)
        for name, maps in ((BASE, batch.base), (REFINER, batch.refined)):
            decided = foreground(maps, samples.maps_per_image)
            for of_image in zip(expit(maps), batch.masks, decided, strict=True):
                counters[name].add(*of_image, padding)
    return {name: counter.result() for name, counter in counters.items()}


def dataset_samples(samples: ArrayStore, manifest: pd.DataFrame) -> list[ShownSample]:
    """Some samples of every split with their masks."""
    rows = choose(manifest)
    images, masks = samples.read("images", rows), samples.read("masks", rows)
    return shown_samples(manifest, rows, list(images), list(masks))


def choose_gallery(per_image: pd.DataFrame, rows_each: int) -> list[tuple[str, int]]:
    """(kind, position in `per_image`) of the best, median and worst gains; each image at most once."""
    order = per_image["gain"].sort_values(ascending=False, kind="stable").index.to_numpy()
    each = min(rows_each, max(1, len(order) // 3))
    middle = (len(order) - each) // 2
    picked = {"best": order[:each], "median": order[middle : middle + each], "worst": order[::-1][:each]}
    seen: set[int] = set()
    chosen = []
    for kind, positions in picked.items():
        chosen += [(kind, int(p)) for p in positions if p not in seen]
        seen.update(int(p) for p in positions)
    return chosen


def gallery(
    samples: Samples, refined: ArrayStore, per_image: pd.DataFrame, rows_each: int, classes: Sequence[str] = ()
) -> list[GalleryRow]:
    """Picture rows of the test maps with the best, median and worst gains; of several classes, one class per row."""
    shown = []
    for kind, position in choose_gallery(per_image, rows_each):
        facts = per_image.iloc[position]
        read = _read(samples, refined, int(facts["row"]), classes)
        shown.append(
            GalleryRow(
                sample_id=" · ".join([str(facts["sample_id"]), *read.class_name]),
                kind=kind,  # type: ignore[arg-type]
                image=read.image,
                base_probability=expit(read.base),
                base_mask=read.base_mask,
                refined_probability=expit(read.refined),
                refined_mask=read.refined_mask,
                mask=read.mask,
                iou_base=float(facts["iou_base"]),
                iou_refined=float(facts["iou_refined"]),
            )
        )
    return shown


def by_gain(
    samples: Samples, refined: ArrayStore, per_image: pd.DataFrame, most: int, classes: Sequence[str] = ()
) -> list[SmallPictures]:
    """At most `most` test maps as small pictures, evenly spread over the order of their gains, the largest first."""
    order = per_image["gain"].sort_values(ascending=False, kind="stable").index.to_numpy()
    shown = []
    for position in order[spread(len(order), most)]:
        facts = per_image.iloc[int(position)]
        read = _read(samples, refined, int(facts["row"]), classes)
        name = " · ".join([str(facts["sample_id"]), *read.class_name])
        masks = (read.base_mask, read.refined_mask, read.mask)
        shown.append(small_pictures(name, read.image, *masks, (facts["iou_base"], facts["iou_refined"])))
    return shown


class _Read(NamedTuple):
    """One test map: logits float32 (H,W), masks bool (H,W), and what the stores hold."""

    class_name: Sequence[str]
    image: np.ndarray
    base: np.ndarray
    base_mask: np.ndarray
    refined: np.ndarray
    refined_mask: np.ndarray
    mask: np.ndarray


def _read(samples: Samples, refined: ArrayStore, place: int, classes: Sequence[str]) -> _Read:
    image, number = divmod(place, samples.maps_per_image)
    whole = slice(image * samples.maps_per_image, (image + 1) * samples.maps_per_image)
    rows = samples.rows(["test"])[whole]
    row = rows[number : number + 1]
    base = samples.array("logits", rows).astype(np.float32)
    after = refined.read("logits", whole).astype(np.float32)
    pixels, mask = samples.array("images", row)[0], samples.array("masks", row)[0]
    ((_, region),) = samples.regions(row)
    if region is not None:
        base, after, mask, pixels = region.of(base), region.of(after), region.of(mask), region.of_images(pixels)
    return _Read(
        classes[slice(number, number + 1)],
        as_colours(pixels),
        base[number],
        foreground(base, len(base))[number],
        after[number],
        foreground(after, len(after))[number],
        mask,
    )


def foreground(maps: np.ndarray, maps_per_image: int) -> np.ndarray:
    """Foreground of logits: above 0, or above all other classes of the image.

    Args:
        maps: logits (N,H,W); the maps of an image are neighbours.
        maps_per_image: 1, or the number of classes.

    Returns:
        bool (N,H,W).
    """
    if maps_per_image == 1:
        return maps > 0
    of_image = maps.reshape(-1, maps_per_image, *maps.shape[1:])
    winner = of_image.argmax(1)[:, None] == np.arange(maps_per_image)[:, None, None]
    return winner.reshape(maps.shape)
