"""What the report shows of the stored maps: how they err, and images worth a look."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import expit

from prn_pipeline.data.pixel_values import as_colours
from prn_pipeline.data.store.array_store import ArrayStore
from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.metrics.map_statistics import MapStatistics, MapStatisticsCounter
from prn_pipeline.reporting import GalleryRow
from prn_pipeline.stages.evaluation.map_pairs import stream_batches


def map_statistics(samples: Samples, refined: ArrayStore, patch_size: int) -> dict[str, MapStatistics]:
    """How the test maps of the base model ("base") and of PRN ("prn") err."""
    counters = {name: MapStatisticsCounter(patch_size) for name in ("base", "prn")}
    for batch in stream_batches(samples, refined, samples.rows(["test"])):
        for name, maps in (("base", batch.base), ("prn", batch.refined)):
            decided = foreground(maps, samples.maps_per_image)
            for of_image in zip(expit(maps), batch.masks, decided, strict=True):
                counters[name].add(*of_image)
    return {name: counter.result() for name, counter in counters.items()}


def choose_gallery(per_image: pd.DataFrame, rows_each: int) -> list[tuple[str, int]]:
    """(kind, position in `per_image`) of the best, median and worst gains; no image twice."""
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
    """Picture rows of the test maps with the best, median and worst gains; each of one class, if there are several."""
    rows = samples.rows(["test"])
    shown = []
    for kind, position in choose_gallery(per_image, rows_each):
        facts = per_image.iloc[position]
        image, number = divmod(int(facts["row"]), samples.maps_per_image)
        whole = slice(image * samples.maps_per_image, (image + 1) * samples.maps_per_image)
        row = rows[whole][number : number + 1]
        base = samples.array("logits", rows[whole]).astype(np.float32)
        after = refined.read("logits", whole).astype(np.float32)
        shown.append(
            GalleryRow(
                sample_id=" · ".join([str(facts["sample_id"]), *classes[slice(number, number + 1)]]),
                kind=kind,  # type: ignore[arg-type]
                image=as_colours(samples.array("images", row)[0]),
                base_probability=expit(base[number]),
                base_mask=foreground(base, len(base))[number],
                prn_probability=expit(after[number]),
                prn_mask=foreground(after, len(after))[number],
                mask=samples.array("masks", row)[0],
                iou_base=float(facts["iou_base"]),
                iou_prn=float(facts["iou_prn"]),
            )
        )
    return shown


def foreground(maps: np.ndarray, together: int) -> np.ndarray:
    """What a method takes for foreground, bool (N,H,W) of logits (N,H,W): above 0, or above the image's other classes.

    Args:
        maps: logits, those of an image one after the other.
        together: maps of an image.
    """
    if together == 1:
        return maps > 0
    of_image = maps.reshape(-1, together, *maps.shape[1:])
    winner = of_image.argmax(1)[:, None] == np.arange(together)[:, None, None]
    return winner.reshape(maps.shape)
