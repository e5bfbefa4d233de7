"""One run's report: figures, tables and pictures in one page that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined

from prn_pipeline.comparison.patch_oracle import PATCH_ORACLE
from prn_pipeline.reporting import gallery, score_tables, tables
from prn_pipeline.reporting.browse import browsed
from prn_pipeline.reporting.cards.card import Card
from prn_pipeline.reporting.cards.images import image_cards
from prn_pipeline.reporting.cards.maps import bias_card, error_cards, threshold_card
from prn_pipeline.reporting.cards.scores import confusion_card, gain_card, training_cards
from prn_pipeline.reporting.caveats import boundary_note
from prn_pipeline.reporting.data_section import data_section
from prn_pipeline.reporting.expected_iou import expected_iou_note
from prn_pipeline.reporting.headline import headline
from prn_pipeline.reporting.inputs import Report, ReportInputs
from prn_pipeline.reporting.key_numbers import key_numbers
from prn_pipeline.reporting.label_curve import label_section
from prn_pipeline.reporting.labels import refiner_label
from prn_pipeline.reporting.model_card import intended_use, limits
from prn_pipeline.reporting.next_step import next_step
from prn_pipeline.reporting.picture_rows import LEGEND, PictureRow, by_kind, first_look, picture_rows
from prn_pipeline.reporting.theme import DARK, LIGHT
from prn_pipeline.reporting.wording import unbroken

TEMPLATES = Environment(
    loader=PackageLoader("prn_pipeline.reporting"),
    autoescape=True,
    finalize=unbroken,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render_report(report: ReportInputs) -> Report:
    """Render the report of one run.

    Args:
        report: what to show; where an input is empty, the page says that it is missing.

    Returns:
        Report: a page of a few MB at most, the same for the same inputs, and its figures as PNG.
    """
    refiner = refiner_label(report.run)
    methods = report.scores.get("methods", {})
    gain, training = gain_card(report.scores), training_cards(report.history)
    patches = [card for card in (threshold_card(report.thresholds), bias_card(report.maps, refiner)) if card]
    images, errors = image_cards(report.per_image, refiner), error_cards(report.maps, refiner)
    labels = label_section(report.label_curve, str(report.run["refiner"]))
    pictures, confusion = picture_rows(report.gallery, refiner), confusion_card(methods, refiner)
    found = headline(report.run, report.scores)
    html = TEMPLATES.get_template("report.html.j2").render(
        light=LIGHT,
        dark=DARK,
        run=report.run,
        refiner=refiner,
        resolution=report.scores.get("resolution"),
        headline=found,
        next_step=next_step({**report.scores, **report.run}, found.outcome),
        key_numbers=key_numbers(report.scores),
        score_columns=score_tables.score_columns(methods),
        score_rows=score_tables.score_rows(report.run, methods),
        class_columns=score_tables.class_columns(report.run, methods),
        class_rows=score_tables.class_rows(report.run, methods),
        boundary_note=boundary_note(report.scores),
        oracle=PATCH_ORACLE.name in methods,
        confusion=confusion,
        saliency_columns=(salient := score_tables.saliency_columns(methods)),
        saliency_rows=score_tables.score_rows(report.run, methods, salient),
        gain_rows=tables.gain_rows(report.run, report.scores),
        gain_card=gain,
        training_cards=training,
        patch_cards=patches,
        image_cards=images,
        expected_iou=expected_iou_note(report.expected_iou),
        error_cards=errors,
        picture_groups=(groups := by_kind(pictures)),
        first=first_look(groups),
        by_gain=browsed(report.by_gain, refiner),
        number_of_images=len(report.per_image),
        legend=LEGEND,
        intended_use=intended_use(report.run, report.dataset) if report.dataset else "",
        limits=list(limits(report.parameters, report.scores)),
        timing_rows=tables.timing_rows(report.scores.get("seconds", {}), report.scores.get("memory_mib", {})),
        settings={name: list(tables.setting_rows({name: value})) for name, value in report.parameters.items()},
        provenance=report.provenance,
        labels=labels,
        dataset=data_section(report.dataset, report.samples),
    )
    cards = [gain, confusion, *training, *patches, *errors, *images, labels.card if labels else None]
    return Report(html, figures(cards, pictures))


def figures(cards: Sequence[Card | None], pictures: Sequence[PictureRow]) -> dict[str, bytes]:
    """Name -> PNG of every figure and picture row; names hold no sample_id, which may not be safe as a file name."""
    strips = {
        f"gallery-{place:02d}-{row.kind}": gallery.strip(row.panels) for place, row in enumerate(pictures, start=1)
    }
    return {card.name: card.light for card in cards if card} | strips
