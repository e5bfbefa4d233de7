"""The folders of maps on a command line, in the order in which a predictor's run listed them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from prn_pipeline.data.readers.map_folder import MapFolder
from prn_pipeline.data.readers.map_reading import MapReading
from prn_pipeline.errors import UserError
from prn_pipeline.segmentation.map_places import MapPlace
from prn_pipeline.segmentation.map_stack import FurtherFolders
from prn_pipeline.segmentation.settings import MapFilesSettings
from prn_pipeline.serving.given_maps import for_commands
from prn_pipeline.serving.predictor import Predictor


def map_folders(
    predictor: Predictor, places: Sequence[Path], values: str | None = None
) -> tuple[MapFolder | None, FurtherFolders]:
    """The base model's maps, and the further maps that the refiner reads.

    Args:
        predictor: predictor that refines the maps.
        places: folder or file of each map; none if the base model makes them.
        values: what all files hold; None: what those of the predictor's run held.

    Raises:
        UserError: there are too few or too many folders, or one has no maps.
    """
    if not places:
        return None, {}
    settings, further = predictor.base.settings, predictor.further
    of_run = isinstance(settings, MapFilesSettings)
    expected = [settings.places[0] if of_run else MapReading(), *chain(*further.values())]
    if len(places) != len(expected):
        listed = ", ".join(getattr(place, "folder", "maps") for place in expected)
        raise UserError(
            f"--maps is given {len(places)} times, but this predictor reads {len(expected)} maps of an image: give it"
            f" once for each, in the order of its run ({listed})"
        )
    as_given = None if values is None else MapReading.model_validate({"values": values})
    readings = [as_given or (place.reading if isinstance(place, MapPlace) else place) for place in expected]
    try:
        base, *others = (
            MapFolder(place.parent, place.name, None, reading, nested=True)
            for place, reading in zip(places, readings, strict=True)
        )
    except UserError as error:
        raise UserError(for_commands(str(error))) from None
    remaining = iter(others)
    return base, {name: tuple(next(remaining) for _ in found) for name, found in further.items()}
