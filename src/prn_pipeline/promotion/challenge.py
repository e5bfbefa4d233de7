"""A challenger against the champion, on the same images; the winner is champion afterwards."""

from __future__ import annotations

import logging
from typing import Any

from prn_pipeline.errors import UserError
from prn_pipeline.metrics.scores import mean_iou
from prn_pipeline.promotion.registering import register
from prn_pipeline.promotion.registry import CHAMPION, TAKEN_BACK, ChampionChangedError, Registry
from prn_pipeline.serving.comparison import ComparisonSettings, compare
from prn_pipeline.serving.judging import TestImages, count
from prn_pipeline.serving.predictor import Predictor

logger = logging.getLogger(__name__)

#: How often a comparison is made again because somebody else has promoted meanwhile.
ATTEMPTS = 3

Decision = dict[str, Any]


def challenge(
    registry: Registry,
    predictor: Predictor,
    images: TestImages,
    settings: ComparisonSettings,
) -> Decision:
    """Register the predictor unless it is known, make it the challenger, and promote it if it wins.

    Args:
        registry: of the model.
        predictor: the challenger.
        images: the test set; those that one of the two has learned from are left out.
        settings: what it takes to win.

    Returns:
        The decision, JSON-serialisable: `outcome` (first: there was no champion; promoted; kept; same: it is champion
        already; taken_back: it was, and somebody went back), `promoted`, `why`, versions, test set, and the figures of
        `comparison.compare`.

    Raises:
        UserError: challenger or champion cannot be used; no image is left.
    """
    version = registry.find(predictor.digest)
    if version is None:
        example, _ = next(iter(images.pairs(predictor.classes)))
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
            return decision | {"outcome": "same", "promoted": False, "why": "it is the champion already"}
        if TAKEN_BACK in version.tags:
            return decision | {"outcome": "taken_back", "promoted": False, "why": "it was champion and was taken back"}
        if champion is None:
            decision |= {"outcome": "first", "promoted": True, "why": "there was no champion"}
            decision |= _alone(predictor, images)
        else:
            decision |= _against(champion.version, registry, predictor, images, settings)
            decision["outcome"] = "promoted" if decision["promoted"] else "kept"
        try:
            if decision["promoted"]:
                registry.promote(version, champion)
        except ChampionChangedError as error:
            logger.warning("%s: comparing again", error)
            continue
        return decision
    raise UserError(
        f"model {registry.name}: the champion changed {ATTEMPTS} times while it was compared with: run promotion again"
    )


def _alone(predictor: Predictor, images: TestImages) -> Decision:
    left = _unseen(images, predictor)
    return {
        "images": len(left),
        "left_out": len(images) - len(left),
        "iou_micro": {"challenger": float(mean_iou(count(predictor, left).sum(0)))},
    }


def _against(
    number: str | int,
    registry: Registry,
    predictor: Predictor,
    images: TestImages,
    settings: ComparisonSettings,
) -> Decision:
    address = f"models:/{registry.name}/{number}"
    try:
        champion = Predictor.load(address)
    except UserError as error:
        raise UserError(
            f"the champion {address} cannot be loaded ({error}). Nothing was promoted; the challenger is registered."
            f" Make a good version champion: prn rollback {registry.name} --to VERSION"
        ) from error
    if champion.classes != predictor.classes:
        raise UserError(
            f"the champion {address} tells {champion.classes} classes apart and the challenger {predictor.classes}:"
            " give the new task a name of its own, `promotion.model`"
        )
    left = _unseen(images, predictor, champion)
    found = compare(count(predictor, left), count(champion, left), left.manifest, predictor.settings.classes, settings)
    return {**found, "left_out": len(images) - len(left)}


def _unseen(images: TestImages, *predictors: Predictor) -> TestImages:
    seen = {digest for one in predictors for digest in one.settings.learned_from}
    left = images.without(seen)
    if not len(left):
        raise UserError(
            f"challenger or champion have learned from every one of {len(images)} test images: nothing is left to"
            " compare them on. Keep a test set that no training sees: `split` of the data set."
        )
    return left
