"""Judges the values of all masks of a data set together: one file alone cannot show what a value means."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from prn_pipeline.data.file_settings import MaskSettings
from prn_pipeline.data.readers.file_facts import MaskFacts
from prn_pipeline.data.readers.masks import likely_void
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.errors import UserError, counted

logger = logging.getLogger(__name__)

#: Values, and files of each value, in one message.
MAX_LISTED = 5
_PALETTE = "have a grey palette whose indices and grey levels give different foregrounds. The {0} are read"
#: Doubt about a mask file -> what the files are, how they are read, and the key that decides it.
_DOUBTS = {
    "palette: grey": (
        f"{_PALETTE.format('grey levels')}: set `mask: {{palette: grey}}` if that is right, or `mask: {{palette:"
        " index}` if the indices are the classes"
    ),
    "palette: index": (
        f"{_PALETTE.format('indices')}: set `mask: {{palette: index}}` if that is right, or `mask: {{palette: grey}}`"
        " if the grey levels are the values"
    ),
    "zero_is_white: shown": (
        "are TIFF files in which 0 is white; what looks white is foreground. Set `mask: {zero_is_white: shown}` if that"
        " is right, or `mask: {zero_is_white: stored}` if white is background"
    ),
}
#: What some files choose by their content, and what others leave open -> what they are, and the key for all of them.
_MIXED = {
    ("alpha: mask", "alpha: ignore"): (
        "hold the mask in their alpha channel (transparency)",
        "have the same colour and the same transparency everywhere, so that their colours and their alpha channel say"
        " the opposite",
        "If the alpha channel is the mask in all of them, set `mask: {alpha: mask}`; if the colours are, `mask: {alpha:"
        " ignore}`",
    ),
    ("zero_is_white: stored", "zero_is_white: shown"): (
        "are TIFF files in which 0 is white that hold class ids",
        "are such files in black and white, and look like the opposite of what they store",
        "If all of them are class ids, set `mask: {zero_is_white: stored}`; if all are pictures, `mask: {zero_is_white:"
        " shown}`",
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
        UserError: there is no rule, and masks hold different values other than 0; or some masks show how they are meant
            to be read, and others that are read in another way do not.
    """
    _refuse_mixed(name, masks)
    _warn_of_doubts(name, masks)
    if settings.classes:
        return  # `masks.class_ids` has refused every value that is no class
    rule, files = settings.mask, files_by_value(masks)
    known = {value: names for value, names in files.items() if value not in rule.ignore_values}
    if rule.threshold is None and rule.values is None:
        _one_foreground(name, settings, {value: names for value, names in known.items() if value != 0})
        return
    _warn_of_void(name, rule, known)
    if rule.values is not None and (unused := [value for value in rule.values if value not in files]):
        logger.warning(
            "data set '%s': %s of `mask.values` in no mask; they hold %s", name, _listed(unused), _listed(files)
        )
    if rule.threshold is not None:
        below = [file for file, facts in masks.items() if 0 < facts.values[-1] <= rule.threshold]
        if below:
            logger.warning(
                "data set '%s': %s values other than 0, but none above `mask.threshold: %g`: %s",
                name,
                counted(len(below), "mask holds", "masks hold"),
                rule.threshold,
                _listed(below),
            )


def _one_foreground(name: str, settings: DatasetSettings, foreground: dict[float, list[str]]) -> None:
    if len(foreground) < 2:
        return
    found = "; ".join(
        f"{value} in {len(files)} ({_listed(files)})" for value, files in list(foreground.items())[:MAX_LISTED]
    ) + ("; ..." if len(foreground) > MAX_LISTED else "")
    voids = likely_void(foreground)
    ids = [value for value in foreground if value not in voids]
    text = f"data set '{name}': masks differ in which value other than 0 they hold: {found}."
    if settings.task == "few_shot":  # categories may have ids
        logger.warning("%s All of them count as foreground.", text)
        return
    void, each = "", "{threshold: 0}"
    if voids:
        each = f"{{values: {list(foreground)}}}"
        void = (
            f" If {' or '.join(map(str, voids))} marks pixels without a label, ignore it: `mask: {{values: {ids},"
            f" ignore_values: {voids}}}`."
        )
    raise UserError(
        f"{text} If each of them is foreground, set `mask: {each}`; otherwise name those that are: `mask: {{values:"
        f" [{ids[0]}]}}`.{void}"
    )


def _warn_of_void(name: str, rule: MaskSettings, files: dict[float, list[str]]) -> None:
    voids = [value for value in likely_void(files) if value not in (rule.values or ())]
    if not voids:
        return
    holding = sorted({file for value in voids for file in files[value]})
    foreground = rule.threshold is not None and min(voids) > rule.threshold
    logger.warning(
        "data set '%s': %s %s beside class ids up to %d, and it counts as %s: %s. If it marks pixels without"
        " a label, set `mask: {ignore_values: %s}`",
        name,
        counted(len(holding), "mask holds", "masks hold"),
        " or ".join(map(str, voids)),
        max(value for value in files if value not in voids),
        "foreground" if foreground else "background",
        _listed(holding),
        sorted({*rule.ignore_values, *voids}),
    )


def _refuse_mixed(name: str, masks: Mapping[str, MaskFacts]) -> None:
    for (reading, doubt), (some, others, remedy) in _MIXED.items():
        chosen = [file for file, facts in masks.items() if reading in facts.chosen]
        doubtful = [file for file, facts in masks.items() if doubt in facts.doubts]
        if chosen and doubtful:
            raise UserError(
                f"data set '{name}': {len(chosen)} masks {some} ({_listed(chosen)}), but {len(doubtful)} {others}"
                f" ({_listed(doubtful)}). {remedy}."
            )


def _warn_of_doubts(name: str, masks: Mapping[str, MaskFacts]) -> None:
    for key, text in _DOUBTS.items():
        doubtful = [file for file, facts in masks.items() if key in facts.doubts]
        if doubtful:
            logger.warning("data set '%s': %d masks %s: %s", name, len(doubtful), text, _listed(doubtful))


def _listed(found: Iterable[object]) -> str:
    named = list(map(str, found))
    return ", ".join(named[:MAX_LISTED]) + (", ..." if len(named) > MAX_LISTED else "")
