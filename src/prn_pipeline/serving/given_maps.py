"""What can be wrong with maps that a command or a request is given, and how its messages name the remedy."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice

from prn_pipeline.data.readers.map_folder import MapFolder
from prn_pipeline.errors import UserError
from prn_pipeline.segmentation.map_checks.stored_values import Stated, StoredValues, objection, together, values_of

#: Maps that are looked at, and how many of them must differ within themselves before anything follows.
MOST, LEAST = 16, 3
#: Settings of maps that commands have no option for.
SETTINGS = ("scale", "foreground", "fit", "orientation", "name")


def check_values(folder: MapFolder, names: Iterable[str]) -> None:
    """Refuse maps whose values cannot be what they are read as, as training does; masks in place of maps, for one.

    A map of one value is left out, because an image may have no object.

    Args:
        folder: of the maps.
        names: of the images.

    Raises:
        UserError: see above.
    """
    found = list(islice(_varied(folder, names), MOST))
    if len(found) < LEAST:
        return
    reading = folder.reading
    if reason := objection(together(found), Stated(reading.values, "values", reading.scale)):
        raise UserError(for_commands(f"{folder.place}: {reason}"))


def for_commands(text: str) -> str:
    """A message about maps with options of commands in place of settings of a base model."""
    text = re.sub(r"`values: (\w+)`", r"`--map-values \1`", text)
    text = re.sub(r"`folder(?:: ([^`]+))?`(?: of the base model)?", _maps_option, text)
    others = [key for key in SETTINGS if f"`{key}" in text]
    if not others:
        return text
    keys = ", ".join(f"`{key}`" for key in others)
    return f"{text.rstrip('.')}. Commands read maps as the run of the predictor did and have no option for {keys}"


def for_requests(text: str) -> str:
    """A message about a map of a request, which cannot say how it is read."""
    keys = ", ".join(f"`{key}`" for key in ("values", *SETTINGS) if f"`{key}" in text)
    rest = f"the server reads maps with the settings of the predictor's run ({keys}): send them as that run had them"
    return f"{text.rstrip('.')}; but {rest}" if keys else text


def _maps_option(found: re.Match[str]) -> str:
    return f"`--maps {found[1]}`" if found[1] else "`--maps`"


def _varied(folder: MapFolder, names: Iterable[str]) -> Iterator[StoredValues]:
    for name in names:
        if name in folder:
            try:
                stored, _ = folder.stored(name)
            except UserError:  # refining the image says why
                continue
            if stored.size and stored.dtype.kind in "fiub" and (values := values_of(stored)).low < values.high:
                yield values
