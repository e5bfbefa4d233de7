"""What makes the numbers of a leaderboard worth less than they say."""

from __future__ import annotations

from collections.abc import Sequence

from prn_pipeline.reporting.gains import MIN_UNITS
from prn_pipeline.reporting.leaderboard.standings import Standing

#: Base models that one warning names; the rest is counted.
MAX_LISTED = 6


def working(found: Sequence[Standing]) -> list[Standing]:
    """Standings over base models that work: a gain over a model that predicts nothing, or over maps that may be
    misread, is no finding.
    """
    return [one for one in found if not (one.constant_base or one.doubted_maps)]


def with_enough_units(found: Sequence[Standing]) -> list[Standing]:
    """Standings on test sets that are large enough to show a difference."""
    return [one for one in found if one.too_few_units is None]


def warnings(found: Sequence[Standing]) -> list[str]:
    """One sentence for each kind of warning."""
    broken = {f"{one.dataset}/{one.base_model}": one.constant_base for one in found if one.constant_base}
    doubted = list(dict.fromkeys(f"{one.dataset}/{one.base_model}" for one in found if one.doubted_maps))
    small = {one.dataset: one.too_few_units for one in found if one.too_few_units is not None}
    improving: dict[str, set[int]] = {}
    for one in found:
        if one.improving_seeds and not one.constant_base:
            improving.setdefault(f"{one.dataset}/{one.base_model}", set()).update(one.improving_seeds)
    sentences = []
    if broken:
        named = [f"{place} predicts {what}" for place, what in broken.items()]
        sentences.append(f"Base models that do not work: {_listed(named)}. Finding and ranking leave them out.")
    if doubted:
        sentences.append(
            f"Base models whose maps may be misread, as their reports say: {_listed(doubted)}. Finding and ranking"
            " leave them out. If the maps are right, turn their check off with `check: skip`, and run again."
        )
    if small:
        named = [f"{dataset} ({units})" for dataset, units in small.items()]
        sentences.append(
            f"Data sets with fewer than {MIN_UNITS} independent test images or groups, which can show no difference:"
            f" {_listed(named)}. The finding leaves them out."
        )
    if improving:
        named = [f"{place} (seed {', '.join(map(str, sorted(seeds)))})" for place, seeds in improving.items()]
        sentences.append(
            "Base models that were still improving when their training ended, which flatters every gain over them:"
            f" {_listed(named)}."
        )
    if any(one.under_load for one in found):
        sentences.append("Milliseconds with * were measured while other processes used the same processors.")
    return sentences


def _listed(names: Sequence[str]) -> str:
    more = len(names) - MAX_LISTED
    return ", ".join(names[:MAX_LISTED]) + (f" and {more} more" if more > 0 else "")
