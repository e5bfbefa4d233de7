"""A challenger is compared with the champion on the same images, and replaces it if it is better."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from mlflow.entities.model_registry import ModelVersion

from prn_pipeline.errors import UserError
from prn_pipeline.metrics.scores import mean_iou
from prn_pipeline.promotion.marks import CHAMPION, DECISION, TAKEN_BACK
from prn_pipeline.promotion.registering import register
from prn_pipeline.promotion.registry import ChampionChangedError, Registry
from prn_pipeline.serving.comparison import ComparisonSettings, Units, compare
from prn_pipeline.serving.evaluation import TestImages, count_pixels
from prn_pipeline.serving.first_champion import FirstChampionSettings, shortcoming
from prn_pipeline.serving.predictor import Predictor

logger = logging.getLogger(__name__)

#: Comparisons before giving up, if another process changes the champion meanwhile.
ATTEMPTS = 3

Decision = dict[str, Any]


def challenge(
    registry: Registry,
    predictor: Predictor,
    images: TestImages,
    settings: ComparisonSettings,
    first: FirstChampionSettings | None = None,
    scores: Mapping[str, Any] | None = None,
) -> Decision:
    """Register the predictor unless the registry has it, make it the challenger, and promote it if it is better.

    Args:
        registry: of one model.
        predictor: the challenger.
        images: the test set; images that one of the two was trained on are left out.
        settings: when the challenger is better.
        first: what it must achieve if there is no champion; None for the defaults.
        scores: scores JSON of the challenger's run, for `first`.

    Returns:
        The decision, JSON-serialisable: `outcome`, `promoted`, `why`, versions, test set, and the scores that
        `serving.comparison.compare` returns. Outcomes are "first" (there was no champion), "refused" (there was none,
        but the challenger is not good enough for a first champion), "promoted", "kept", "same" (it is the champion) and
        "taken_back" (it was the champion until a rollback). The reason is a tag of the version, too.

    Raises:
        UserError: challenger or champion cannot be used; no test image is left; the champion keeps changing.
    """
    version = registry.find(predictor.digest)
    if version is None:
        example, _ = next(iter(images.pairs(predictor)))
        version = register(registry, predictor, example)
    registry.challenge(version)
    for _ in range(ATTEMPTS):
        champion = registry.aliased(CHAMPION)
        decision: Decision = {
            "model": registry.name,
            "challenger": {"version": str(version.version), "made_by": predictor.settings.made_by},
            "champion": champion and {"version": str(champion.version), "made_by": champion.tags.get("made_by", "")},
        }
        if champion is not None and str(champion.version) == str(version.version):
            return decision | {"outcome": "same", "promoted": False, "why": "it is already the champion"}
        if TAKEN_BACK in version.tags:
            return decision | {"outcome": "taken_back", "promoted": False, "why": "it was champion until a rollback"}
        if champion is None:
            decision |= _without_champion(registry.name, version, predictor, images, settings, first, scores)
        else:
            decision |= _compared(champion, version, registry, predictor, images, settings)
        # Before the alias moves: a champion always says why it is one, also after a kill between the two.
        registry.tag(version, DECISION, f"{decision['outcome']}: {decision['why']}"[:4000])
        try:
            if decision["promoted"]:
                registry.promote(version, champion)
        except ChampionChangedError as error:
            logger.warning("%s: comparing again", error)
            continue
        return decision
    raise UserError(
        f"model {registry.name}: the champion changed during each of {ATTEMPTS} comparisons: run promotion again"
    )


def _without_champion(
    model: str,
    version: ModelVersion,
    predictor: Predictor,
    images: TestImages,
    settings: ComparisonSettings,
    first: FirstChampionSettings | None,
    scores: Mapping[str, Any] | None,
) -> Decision:
    left = _unseen(images, predictor)
    counts = count_pixels(predictor, left)
    units = Units(left.manifest)
    too_few = units.too_few(len(left), settings.smallest_test, "it has not learned from")
    fault = shortcoming(counts, scores or {}, first or FirstChampionSettings(), too_few)
    by_hand = f"To make it the champion by hand: prn rollback {model} --to {version.version}"
    return {
        "outcome": "refused" if fault else "first",
        "promoted": not fault,
        "why": f"there is no champion, but {fault}. {by_hand}" if fault else "there was no champion",
        "images": len(left),
        "units": units.number,
        "unit": units.kind,
        "left_out": len(images) - len(left),
        "iou_micro": {"challenger": float(mean_iou(counts.sum(0)))},
    }


def _compared(
    champion_version: ModelVersion,
    version: ModelVersion,
    registry: Registry,
    predictor: Predictor,
    images: TestImages,
    settings: ComparisonSettings,
) -> Decision:
    address = f"models:/{registry.name}/{champion_version.version}"
    try:
        champion = Predictor.load(address)
    except UserError as error:
        raise UserError(
            f"the champion {address} cannot be loaded ({error}). Nothing was promoted; the challenger is registered."
            f" Make a working version the champion: prn rollback {registry.name} --to VERSION"
        ) from error
    if champion.classes != predictor.classes:
        raise UserError(
            f"the champion {address} has {champion.classes} classes and the challenger {predictor.classes}: give the"
            " new task a model name of its own with `promotion.model`"
        )
    left = _unseen(images, predictor, champion)
    try:
        counts = count_pixels(predictor, left), count_pixels(champion, left)
    except UserError as error:
        raise UserError(
            f"the challenger and the champion {address} cannot be compared ({error}). Nothing was promoted; the"
            f" challenger is registered. To make it the champion by hand: prn rollback {registry.name} --to"
            f" {version.version}"
        ) from error
    undecided = Units(left.manifest).why_not(len(left), settings)
    look = None if undecided else registry.look(version, champion_version, left.digest)  # only a chance to win counts
    found = compare(*counts, left.manifest, predictor.settings.classes, settings, look)
    if undecided:
        found["why"] += f". To promote it by hand: prn rollback {registry.name} --to {version.version}"
    return {
        **found,
        "outcome": "promoted" if found["promoted"] else "kept",
        "left_out": len(images) - len(left),
    }


def _unseen(images: TestImages, *predictors: Predictor) -> TestImages:
    seen = {digest for one in predictors for digest in one.settings.learned_from}
    left = images.without(seen)
    if not len(left):
        raise UserError(
            f"challenger or champion was trained on each of the {len(images)} test images, so none is left to compare"
            " them on. Keep test images out of every training: see `split` of the data set"
        )
    return left
