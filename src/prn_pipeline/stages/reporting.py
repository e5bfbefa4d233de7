"""What the report shows of the stored maps: how they err, and images worth a look."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import expit

from prn_pipeline.data.array_store import ArrayStore
from prn_pipeline.data.sample_store import Samples
from prn_pipeline.metrics.map_statistics import MapStatistics, MapStatisticsCounter
from prn_pipeline.reporting import GalleryRow
from prn_pipeline.stages.map_pairs import stream_pairs


def map_statistics(samples: Samples, refined: ArrayStore, patch_size: int) -> dict[str, MapStatistics]:
    """How the test maps of the base model ("base") and of PRN ("prn") err."""
    counters = {name: MapStatisticsCounter(patch_size) for name in ("base", "prn")}
    for pair in stream_pairs(samples, refined, samples.rows(["test"])):
        counters["base"].add(expit(pair.base), pair.mask)
        counters["prn"].add(expit(pair.refined), pair.mask)
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


def gallery(samples: Samples, refined: ArrayStore, per_image: pd.DataFrame, rows_each: int) -> list[GalleryRow]:
    """Picture rows of the test images with the best, median and worst gains."""
    rows = samples.rows(["test"])
    shown = []
    for kind, position in choose_gallery(per_image, rows_each):
        row = rows[position : position + 1]
        base = samples.array("logits", row)[0].astype(np.float32)
        after = refined.read("logits", slice(position, position + 1))[0].astype(np.float32)
        facts = per_image.iloc[position]
        shown.append(
            GalleryRow(
                sample_id=str(facts["sample_id"]),
                kind=kind,  # type: ignore[arg-type]
                image=samples.array("images", row)[0],
                base_probability=expit(base),
                base_mask=base > 0,
                prn_probability=expit(after),
                prn_mask=after > 0,
                mask=samples.array("masks", row)[0],
                iou_base=float(facts["iou_base"]),
                iou_prn=float(facts["iou_prn"]),
            )
        )
    return shown
