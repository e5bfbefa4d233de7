"""The report of a run."""

from typing import Any

import pandas as pd

from prn_pipeline.data.store.array_store import ArrayStore
from prn_pipeline.data.store.class_maps import map_samples
from prn_pipeline.data.store.map_manifest import learning_rows
from prn_pipeline.data.store.sample_store import IDENTITY
from prn_pipeline.reporting.headline import log_headline
from prn_pipeline.reporting.inputs import ReportInputs
from prn_pipeline.reporting.report import render_report
from prn_pipeline.stages.label_curve.points import of_these_maps
from prn_pipeline.stages.reporting import by_gain, dataset_samples, gallery, map_statistics
from prn_pipeline.tracking.provenance import provenance


def build_report(
    samples: ArrayStore,
    manifest: pd.DataFrame,
    dataset_summary: dict[str, Any],
    logits: ArrayStore,
    map_manifest: pd.DataFrame,
    pseudo_labels: ArrayStore,
    refined: ArrayStore,
    scores: dict[str, Any],
    per_image: pd.DataFrame,
    expected_iou: dict[str, Any],
    base_history: pd.DataFrame,
    prn_history: pd.DataFrame,
    label_curve: dict[str, Any],
    run: dict[str, Any],
    pseudo_labelling: dict[str, Any],
    settings: dict[str, Any],
) -> tuple[str, dict[str, bytes]]:
    """The report and its figures; the log gets the finding too."""
    log_headline(run["names"], scores)
    stores = map_samples(manifest, {"samples": samples, "logits": logits})
    curve_samples = map_samples(manifest, {"samples": samples, "logits": logits, "pseudo_labels": pseudo_labels})
    report = render_report(
        ReportInputs(
            run=run["names"],
            scores=scores,
            history={"base_training": base_history, "prn_training": prn_history},
            thresholds=pseudo_labels.read("thresholds", learning_rows(map_manifest)),
            maps=map_statistics(stores, refined, pseudo_labelling["patch_size"]),
            per_image=per_image,
            expected_iou=expected_iou,
            gallery=gallery(stores, refined, per_image, settings["gallery_rows"], run["dataset"]["classes"]),
            by_gain=by_gain(stores, refined, per_image, settings["browsed_images"], run["dataset"]["classes"]),
            parameters={key: value for key, value in run.items() if key != "names"}
            | {"pseudo_labelling": pseudo_labelling},
            provenance=provenance(manifest.attrs[IDENTITY]),
            dataset=dataset_summary,
            samples=dataset_samples(samples, manifest),
            label_curve=of_these_maps(label_curve, curve_samples),
        )
    )
    return report.html, report.figures
