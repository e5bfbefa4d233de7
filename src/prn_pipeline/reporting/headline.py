"""The finding in plain sentences that claim no more than their intervals allow."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prn_pipeline.comparison.scores_file import BEST_FREE
from prn_pipeline.reporting.caveats import caveats, constant_base, doubted_maps
from prn_pipeline.reporting.gains import (
    MIN_UNITS,
    Outcome,
    measured_gains,
    outcome,
    points,
    points_interval,
    too_few_units,
)
from prn_pipeline.reporting.labels import BASE, REFINER, in_sentence, method_label, refiner_label
from prn_pipeline.reporting.wording import bracket, fixed, number, whole

logger = logging.getLogger(__name__)

VERDICTS: dict[Outcome, str] = {
    "better": (
        "{refiner} is better than the best method that needs no training: the 95 % interval lies above zero{wrong}."
    ),
    "mixed": (
        "No claim: the IoU of {refiner} is higher than that of the best method that needs no training, but it gets"
        " {wrong} more pixels wrong."
    ),
    "same": "No measurable difference from the best method that needs no training: the 95 % interval contains zero.",
    "worse": "{refiner} is worse than the best method that needs no training: the 95 % interval lies below zero.",
    "unknown": "No claim: a score, the gain or its 95 % interval is missing.",
    "warning": "No claim: the base model does not work.",
}
TOO_FEW = "No claim: {units} independent test {what} can show no difference: {least} are needed at least."
DOUBTED = (
    "No claim: the maps may be misread, as the warning below says, and a gain over misread maps means nothing. If they"
    " are right, turn their check off with `check: skip` in the block of the base model, and run again."
)
#: Why the comparison is the hardest one that there is.
CHOSEN_ON_TEST = "That method is chosen on the test images themselves, which favours it."


@dataclass(frozen=True)
class Headline:
    """The finding.

    Attributes:
        sentence: the refiner against the best method that needs no training, with numbers.
        over_base: the same over the base model; "" where that is the best of them, or no gain was measured.
        verdict: what the numbers allow to say.
        outcome: of the comparison in `sentence`; it sets the colour.
        caveats: what makes the gain worth less than its number says; see `reporting.caveats`.
    """

    sentence: str
    over_base: str
    verdict: str
    outcome: Outcome
    caveats: Sequence[str] = ()


def headline(run: Mapping[str, Any], scores: Mapping[str, Any]) -> Headline:
    """The text at the top of the report.

    Args:
        run: dataset, base_model, refiner, seed.
        scores: the scores JSON; gains are IoU differences, shown as points (hundredths).

    Returns:
        Headline such as "PRN 0.712 vs one tuned threshold 0.703: +0.9 points [0.1, 1.7], n=40".
    """
    refiner = refiner_label(run)
    methods, gains = scores.get("methods", {}), scores.get("gain", {})
    best = gains.get(BEST_FREE) or {}
    name = best.get("method", BASE)
    after, before = (_iou(methods, method) for method in (REFINER, name))
    shown = in_sentence(method_label(name, run))
    measured = math.isfinite(before) and math.isfinite(after)
    doubted = doubted_maps(scores)
    found: Outcome = "warning" if constant_base(scores) or doubted else outcome(best) if measured else "unknown"
    units = too_few_units(scores) if found in ("better", "mixed", "same", "worse") else None
    found = "unknown" if units is not None else found
    sentence = f"{refiner} {fixed(after)} vs {shown} {fixed(before)}" if measured else f"{refiner} vs {shown}"
    sentence += f": {gain_text(best)}"
    sentence += f", n={scores['n_test']}" if scores.get("n_test") is not None else ""
    verdict = [VERDICTS[found].format(refiner=refiner, wrong=_wrong(found, best))]
    if doubted:
        verdict = [DOUBTED]
    if units is not None:
        what = ("image" if units == scores.get("n_test") else "group") + ("" if units == 1 else "s")
        verdict = [TOO_FEW.format(units=units, what=what, least=MIN_UNITS)]
    verdict += [CHOSEN_ON_TEST] if len(measured_gains(gains)) > 1 and found != "warning" else []
    verdict += baseline_remarks(run, found, name, gains)
    beside = "" if name == BASE else over_base(methods, gains)
    return Headline(sentence, beside, " ".join(verdict), found, caveats(scores))


def _wrong(found: Outcome, gain: Mapping[str, Any]) -> str:
    """The part of a verdict on wrong pixels: their number, or that there are no more of them."""
    change = number(gain.get("wrong_pixels"))
    if found == "mixed":
        return whole(change)
    if not math.isfinite(change):
        return ""  # scores from before they were counted
    return f", with {whole(-change)} fewer wrong pixels" if change else ", with as many wrong pixels"


def log_headline(run: Mapping[str, Any], scores: Mapping[str, Any]) -> None:
    """Log the finding in the words of the report: one line, and a warning for each caveat."""
    found = headline(run, scores)
    logger.info(" ".join(text for text in (f"{found.sentence}.", found.over_base, found.verdict) if text))
    for caveat in found.caveats:
        logger.warning(caveat)


def gain_text(gain: Mapping[str, Any]) -> str:
    """ "+0.9 points [0.1, 1.7]"; the interval only where it is known."""
    if not math.isfinite(points(gain.get("iou_micro"))):
        return "gain not measured"
    ends = points_interval(gain)
    return f"{fixed(points(gain['iou_micro']), 1, signed=True)} points" + (f" {bracket(ends, 1)}" if ends else "")


def over_base(methods: Mapping[str, Mapping[str, Any]], gains: Mapping[str, Any]) -> str:
    """The gain over the base model as it decides by itself: p > 0.5, or the most probable class."""
    gain = measured_gains(gains).get(BASE)
    if gain is None:
        return ""
    rule = "most probable class" if "classes" in methods.get(BASE, {}) else "p > 0.5"
    return f"Over the base model ({rule}) {fixed(_iou(methods, BASE))}: {gain_text(gain)}."


def baseline_remarks(run: Mapping[str, Any], against_best: Outcome, best: str, gains: Mapping[str, Any]) -> list[str]:
    """A sentence on the other baselines that the refiner cannot be told apart from, and one on those that do better.

    The best baseline is not always the hardest to tell apart: the interval of another one may be wider.
    """
    if against_best != "better":
        return []
    found: dict[Outcome, dict[str, str]] = {"same": {}, "worse": {}}
    for name, gain in measured_gains(gains).items():
        if name not in (BASE, best) and (kind := outcome(gain)) in found:
            found[kind][method_label(name, run)] = gain_text(gain)
    return [_remark(refiner_label(run), kind, labels) for kind, labels in found.items() if labels]


def _remark(refiner: str, kind: Outcome, labels: Mapping[str, str]) -> str:
    """Labels of baselines, each with the refiner's gain over it, in a sentence on what the intervals say."""
    apart = f"cannot be told apart from {refiner}"
    if len(labels) == 1:
        ((label, gain),) = labels.items()
        verdict = apart if kind == "same" else "does better"
        return f"{label}, which needs no training, {verdict} ({refiner} minus it: {gain})."
    listed = "; ".join(f"{label}: {gain}" for label, gain in labels.items())
    verdict = apart if kind == "same" else "do better"
    return f"{len(labels)} other methods that need no training {verdict} ({refiner} minus {listed})."


def _iou(methods: Mapping[str, Mapping[str, Any]], name: str) -> float:
    return number(methods.get(name, {}).get("iou_micro"))
