"""One run's report: figures, tables and pictures set into one page that needs nothing else."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from jinja2 import Environment, PackageLoader, StrictUndefined

from prn_pipeline.reporting import gallery, score_tables, tables
from prn_pipeline.reporting.cards import (
    Card,
    bias_card,
    confusion_card,
    error_cards,
    gain_card,
    image_cards,
    threshold_card,
    training_cards,
)
from prn_pipeline.reporting.gallery import Panel
from prn_pipeline.reporting.headline import headline
from prn_pipeline.reporting.inputs import GalleryKind, GalleryRow, Report, ReportInputs
from prn_pipeline.reporting.theme import DARK, LIGHT
from prn_pipeline.reporting.wording import MISSING, duration, fixed, method_label, number

TEMPLATES = Environment(
    loader=PackageLoader("prn_pipeline.reporting"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True)
class PictureRow:
    """A gallery row as the page shows it."""

    sample_id: str
    kind: GalleryKind
    iou_base: str
    iou_prn: str
    gain: str
    panels: list[Panel]


def render_report(report: ReportInputs) -> Report:
    """Render the report of one run.

    Args:
        report: What to show; empty pieces are allowed and said to be missing.

    Returns:
        Report: a page of a few MB at most, the same for the same inputs, and its figures as PNG.
    """
    refiner = method_label("prn", report.run)
    methods, gains = report.scores.get("methods", {}), report.scores.get("gain", {})
    gain, training = gain_card(gains), training_cards(report.history)
    patches = [card for card in (threshold_card(report.thresholds), bias_card(report.maps, refiner)) if card]
    images, errors = image_cards(report.per_image, refiner), error_cards(report.maps, refiner)
    pictures = picture_rows(report, refiner)
    html = TEMPLATES.get_template("report.html.j2").render(
        light=LIGHT,
        dark=DARK,
        run=report.run,
        refiner=refiner,
        resolution=report.scores.get("resolution"),
        headline=headline(report.run, report.scores),
        tiles=tiles(report),
        score_columns=score_tables.score_columns(methods),
        score_rows=score_tables.score_rows(report.run, methods),
        class_columns=score_tables.class_columns(report.run, methods),
        class_rows=score_tables.class_rows(report.run, methods),
        oracle=score_tables.UPPER_BOUND in methods,
        confusion=(mixed := confusion_card(methods, refiner)),
        saliency_columns=(salient := score_tables.saliency_columns(methods)),
        saliency_rows=score_tables.score_rows(report.run, methods, salient),
        gain_rows=tables.gain_rows(report.run, gains),
        gain_card=gain,
        training_cards=training,
        patch_cards=patches,
        image_cards=images,
        error_cards=errors,
        picture_groups=by_kind(pictures),
        legend=LEGEND,
        timing_rows=tables.timing_rows(report.scores.get("seconds", {}), report.scores.get("memory_mib", {})),
        settings={name: list(tables.setting_rows({name: value})) for name, value in report.parameters.items()},
        provenance=report.provenance,
    )
    return Report(html, figures([gain, mixed, *training, *patches, *errors, *images], pictures))


LEGEND = {
    "map_gradient": [gallery.MAP_COLOURS(place / 4, bytes=True)[:3] for place in range(5)],
    "hit": gallery.HIT,
    "false_positive": gallery.FALSE_POSITIVE,
    "false_negative": gallery.FALSE_NEGATIVE,
    "ignore": gallery.IGNORED,
    "ignore_stripe": gallery.IGNORED_STRIPE,
}


def tiles(report: ReportInputs) -> dict[str, str]:
    """The numbers beside the headline: label -> value."""
    methods, gains = report.scores.get("methods", {}), report.scores.get("gain", {})
    seconds = [number(value) for value in report.scores.get("seconds", {}).values()]
    known = [value for value in seconds if math.isfinite(value)]
    worse = fixed(gains.get("images_worse_pct"), 1)
    oracle = score_tables.UPPER_BOUND in methods
    trusted = _trusted(report.scores.get("guard"))
    return {
        "test images": fixed(report.scores.get("n_test"), 0),
        "of them worse than before": worse if worse == MISSING else f"{worse} %",
        **({"of the way to the patch oracle": tables.oracle_room_closed(methods)} if oracle else {}),
        **({"of the correction used, as left-out maps advise": trusted} if trusted else {}),
        "all stages together": duration(sum(known) if known else None),
    }


def _trusted(guard: Mapping[str, Any] | None) -> str:
    """The guard's decision in a few words; nothing for a refiner without one."""
    if not guard:
        return ""
    share = f"{100 * guard['strength']:.0f} %" if guard["start"] else "none"
    return f"{share}, logits {fixed(guard['shift'], 2, signed=True)}" if guard.get("shift") else share


def picture_rows(report: ReportInputs, refiner: str) -> list[PictureRow]:
    """The gallery, best gains first, then median, then worst."""
    side = gallery.panel_side(len(report.gallery))
    return [
        _picture_row(row, refiner, side) for kind in get_args(GalleryKind) for row in report.gallery if row.kind == kind
    ]


def by_kind(pictures: list[PictureRow]) -> dict[GalleryKind, list[PictureRow]]:
    """The picture rows of each kind that has any."""
    groups: dict[GalleryKind, list[PictureRow]] = {}
    for row in pictures:
        groups.setdefault(row.kind, []).append(row)
    return groups


def figures(cards: list[Card | None], pictures: list[PictureRow]) -> dict[str, bytes]:
    """Name -> PNG of every figure and picture row; names hold no sample_id, which may be unfit for a file."""
    strips = {
        f"gallery-{place:02d}-{row.kind}": gallery.strip(row.panels) for place, row in enumerate(pictures, start=1)
    }
    return {card.name: card.light for card in cards if card} | strips


def _picture_row(row: GalleryRow, refiner: str, side: int) -> PictureRow:
    change = 100 * (number(row.iou_prn) - number(row.iou_base))
    return PictureRow(
        row.sample_id,
        row.kind,
        fixed(row.iou_base),
        fixed(row.iou_prn),
        fixed(change, 1, signed=True),
        gallery.panels(row, refiner, side),
    )
