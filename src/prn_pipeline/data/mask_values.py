"""Judges the values of all masks of a data set together: one file alone cannot show what a value means."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from prn_pipeline.data.readers.file_facts import MaskFacts
from prn_pipeline.data.settings import DatasetSettings, MaskSettings
from prn_pipeline.errors import UserError

logger = logging.getLogger(__name__)

#: Values, and files of each value, in one message.
MAX_LISTED = 5
#: The value that many data sets give to pixels without a label.
VOID = 255
#: Class ids are small. Soft and JPEG masks, where VOID is the foreground, have values above this one too.
HIGHEST_ID = 63
#: Doubt about a mask file -> what the files are, how they are read, and the key that decides it.
_DOUBTS = {
    "palette": (
        "have a grey palette whose indices and grey levels give different foregrounds; they are read as the other keys"
        " suggest. Set `mask: {palette: index}` or `mask: {palette: grey}`"
    ),
    "zero_is_white": (
        "are TIFF files in which 0 is white; what looks white is foreground. Set `mask: {zero_is_white: stored}` if"
        " white is background, or `shown` if this is right"
    ),
}


def files_by_value(masks: Mapping[str, MaskFacts]) -> dict[float, list[str]]:
    """Value -> the masks that hold it, both in order; `masks` maps the names of files to their facts."""
    found: dict[float, list[str]] = {}
    for file, facts in masks.items():
        for value in facts.values:
            found.setdefault(value, []).append(file)
    return dict(sorted(found.items()))


def check_mask_values(name: str, settings: DatasetSettings, masks: Mapping[str, MaskFacts]) -> None:
    """Refuse masks whose values contradict each other, and warn of values that the settings probably get wrong.

    Args:
        name: the data set's name, for messages.
        settings: of the data set.
        masks: file name -> facts, of all masks.

    Raises:
        UserError: there is no rule, and different masks hold different values besides 0.
    """
    _warn_of_doubts(name, masks)
    if settings.classes:
        return  # `masks.class_ids` has refused every value that is no class
    rule, files = settings.mask, files_by_value(masks)
    counted = {value: names for value, names in files.items() if value not in rule.ignore_values}
    if rule.threshold is None and rule.values is None:
        _one_foreground(name, settings, {value: names for value, names in counted.items() if value != 0})
        return
    _warn_of_void(name, rule, counted)
    if rule.values is not None and (unused := [value for value in rule.values if value not in files]):
        logger.warning(
            "data set '%s': %s of `mask.values` in no mask; they hold %s", name, _listed(unused), _listed(files)
        )
    if rule.threshold is not None:
        below = [file for file, facts in masks.items() if 0 < facts.values[-1] <= rule.threshold]
        if below:
            logger.warning(
                "data set '%s': %d masks hold values besides 0, but none above `mask.threshold: %g`: %s",
                name,
                len(below),
                rule.threshold,
                _listed(below),
            )


def _one_foreground(name: str, settings: DatasetSettings, foreground: dict[float, list[str]]) -> None:
    if len(foreground) < 2:
        return
    found = "; ".join(
        f"{value} in {len(files)} ({_listed(files)})" for value, files in list(foreground.items())[:MAX_LISTED]
    ) + ("; ..." if len(foreground) > MAX_LISTED else "")
    ids = [value for value in foreground if value != VOID]
    text = f"data set '{name}': masks differ in the value besides 0: {found}."
    if settings.task == "few_shot":  # categories may have ids
        logger.warning("%s All of them count as foreground.", text)
        return
    void = ""
    if VOID in foreground and max(ids) <= HIGHEST_ID:
        void = (
            f" If {VOID} marks pixels without a label, ignore it: `mask: {{values: {ids}, ignore_values: [{VOID}]}}`."
        )
    raise UserError(
        f"{text} If each of them is foreground, set `mask: {{threshold: 0}}`; otherwise name those that are: `mask:"
        f" {{values: [{ids[0]}]}}`.{void}"
    )


def _warn_of_void(name: str, rule: MaskSettings, files: dict[float, list[str]]) -> None:
    others = [value for value in files if value not in (0, VOID)]
    if VOID not in files or not others or max(others) > HIGHEST_ID or VOID in (rule.values or ()):
        return
    counts_as = "foreground" if rule.threshold is not None and rule.threshold < VOID else "background"
    logger.warning(
        "data set '%s': %d masks hold %d beside class ids up to %d, and it counts as %s: %s. If it marks pixels without"
        " a label, set `mask: {ignore_values: [%d]}`",
        name,
        len(files[VOID]),
        VOID,
        max(others),
        counts_as,
        _listed(files[VOID]),
        VOID,
    )


def _warn_of_doubts(name: str, masks: Mapping[str, MaskFacts]) -> None:
    for key, text in _DOUBTS.items():
        doubtful = [file for file, facts in masks.items() if key in facts.doubts]
        if doubtful:
            logger.warning("data set '%s': %d masks %s: %s", name, len(doubtful), text, _listed(doubtful))


def _listed(found: Iterable[object]) -> str:
    named = list(map(str, found))
    return ", ".join(named[:MAX_LISTED]) + (", ..." if len(named) > MAX_LISTED else "")
