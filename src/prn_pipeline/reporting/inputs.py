"""Inputs of a report, and the finished report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from prn_pipeline.data.sample_format import IGNORE
from prn_pipeline.errors import UserError
from prn_pipeline.metrics.map_statistics import MapStatistics
from prn_pipeline.reporting.dataset.samples import ShownSample

GalleryKind = Literal["best", "median", "worst"]
RUN_KEYS = ("dataset", "base_model", "refiner", "seed")


@dataclass(frozen=True)
class GalleryRow:
    """One test image with the maps and masks of the base model and the refiner.

    Attributes:
        sample_id: any text; the page escapes it.
        kind: why the image was chosen: its gain is among the best, the median or the worst.
        image: uint8 (H, W, 3).
        base_probability: float (H, W) in [0, 1]; NaN is drawn grey.
        base_mask: bool or 0/1 (H, W).
        refined_probability: float (H, W) in [0, 1]; NaN is drawn grey.
        refined_mask: bool or 0/1 (H, W).
        mask: uint8 (H, W), the truth: 0 background, 1 foreground, 255 ignore.
        iou_base: IoU of `base_mask`, NaN where undefined.
        iou_refined: IoU of `refined_mask`, NaN where undefined.

    Raises:
        UserError: a kind, a shape or a mask value is none of the above.
    """

    sample_id: str
    kind: GalleryKind
    image: np.ndarray
    base_probability: np.ndarray
    base_mask: np.ndarray
    refined_probability: np.ndarray
    refined_mask: np.ndarray
    mask: np.ndarray
    iou_base: float
    iou_refined: float

    def __post_init__(self) -> None:
        where = f"gallery row '{self.sample_id}'"
        if self.kind not in get_args(GalleryKind):
            raise UserError(f"{where}: kind is {self.kind!r}, expected one of {', '.join(get_args(GalleryKind))}.")
        if self.image.ndim != 3 or self.image.shape[2] != 3 or self.image.dtype != np.uint8:
            raise UserError(
                f"{where}: image is {self.image.dtype} {self.image.shape}, expected uint8 (H, W, 3); "
                "convert it to 8-bit RGB."
            )
        for name in ("base_probability", "base_mask", "refined_probability", "refined_mask", "mask"):
            shape = getattr(self, name).shape
            if shape != self.image.shape[:2]:
                raise UserError(
                    f"{where}: {name} is {shape}, expected {self.image.shape[:2]}, the shape of its image; "
                    "resize it first."
                )
        strange = np.setdiff1d(self.mask, (0, 1, IGNORE))
        if strange.size:
            raise UserError(
                f"{where}: mask holds {strange[:5].tolist()}, expected only 0, 1 and {IGNORE} (ignore); "
                "map other values to these first."
            )


@dataclass(frozen=True)
class SmallPictures:
    """One test image beside base mask, refined mask and truth, in one picture.

    Attributes:
        sample_id: any text; the page escapes it.
        iou_base: IoU of the base model's mask, NaN where undefined.
        iou_refined: IoU of the refined mask, NaN where undefined.
        picture: JPEG.
    """

    sample_id: str
    iou_base: float
    iou_refined: float
    picture: bytes


@dataclass(frozen=True)
class ReportInputs:
    """Everything that one report shows. Where an input is empty, the page has a note instead of a figure.

    Attributes:
        run: dataset, base_model, refiner, seed.
        scores: the scores JSON of the run; a method may have "iou_micro_ci95": [low, high].
        history: training stage -> one row per epoch: epoch, train_loss, val_loss, val_iou_micro, learning_rate,
            seconds.
        thresholds: float32 (N, g, g), the optimal threshold of every patch of the pseudo-labels.
        maps: errors of the test maps of "base" and "refined", or empty.
        per_image: one row per test image, with sample_id, iou_base, iou_refined.
        expected_iou: how well the IoU of a single mask can be told from its maps (`stages.evaluation.expected_iou`), or
            empty.
        gallery: picture rows, in the order to show them within a kind.
        by_gain: test images as small pictures, from the largest gain to the largest loss; all, or some of them.
        parameters: settings, nested to any depth.
        provenance: commit, data identity, versions, date: label -> text.
        dataset: summary of the data set, as `data.summary.summarise` makes it; or empty.
        samples: some samples with their masks.
        label_curve: content of label_curve.json, or empty; then the page has no section on it.

    Raises:
        UserError: the run lacks one of its four names.
    """

    run: Mapping[str, Any]
    scores: Mapping[str, Any]
    history: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    thresholds: np.ndarray = field(default_factory=lambda: np.empty((0, 1, 1), np.float32))
    maps: Mapping[str, MapStatistics] = field(default_factory=dict)
    per_image: pd.DataFrame = field(default_factory=pd.DataFrame)
    expected_iou: Mapping[str, Any] = field(default_factory=dict)
    gallery: Sequence[GalleryRow] = ()
    by_gain: Sequence[SmallPictures] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, str] = field(default_factory=dict)
    dataset: Mapping[str, Any] = field(default_factory=dict)
    samples: Sequence[ShownSample] = ()
    label_curve: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        unnamed = [name for name in RUN_KEYS if name not in self.run]
        if unnamed:
            raise UserError(f"report: run has {sorted(self.run)}, expected {list(RUN_KEYS)}; add {', '.join(unnamed)}.")


@dataclass(frozen=True)
class Report:
    """A finished report.

    Attributes:
        html: one self-contained page without scripts and without outside resources.
        figures: name -> PNG bytes: the page's figures in light colours, and one strip per gallery row.
    """

    html: str
    figures: dict[str, bytes]
