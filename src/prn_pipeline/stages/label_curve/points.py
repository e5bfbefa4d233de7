"""Measured draws on disk, so that an interrupted curve continues and a longer one repeats nothing."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from prn_pipeline.data.store.locations import is_complete
from prn_pipeline.data.store.sample_store import IDENTITY, Samples
from prn_pipeline.data.store.table_files import read_table, write_table
from prn_pipeline.errors import UserError

if TYPE_CHECKING:
    from prn_pipeline.stages.label_curve.draws import LabelDraw

logger = logging.getLogger(__name__)


def digest(content: Any) -> str:
    """16 hexadecimal digits of a JSON value."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def maps_digest(samples: Samples) -> str:
    """Identifies samples and their maps: after a change of either, a curve is that of other maps."""
    stores = {role: dict(store.attributes) for role, store in samples.stores.items()}
    return digest({"samples": samples.manifest.attrs.get(IDENTITY), "stores": stores})


def of_these_maps(curve: Mapping[str, Any], samples: Samples) -> Mapping[str, Any]:
    """The content of a label_curve.json; an empty one, with a warning, if it was measured on other maps."""
    if curve and curve.get("maps") != maps_digest(samples):
        logger.warning("the curve over labelled images is of earlier maps and is not shown: run prn curve again")
        return {}
    return curve


@dataclass(frozen=True)
class PointStore:
    """A folder with one file per measured draw, written atomically.

    Attributes:
        folder: where the files are.
        maps: see `maps_digest`.
    """

    folder: Path
    maps: str

    def name(self, what: str, draw: LabelDraw, settings: Mapping[str, Any]) -> str:
        """Name of the file of a draw, without suffix: it depends on everything that defines the result.

        Args:
            what: name of the refiner, or of what else was measured.
            draw: the draw.
            settings: all settings that the result depends on.
        """
        drawn = draw.drawn.tolist(), draw.held_out.tolist()
        return f"{what}-{draw.size}-{draw.number}-{digest([self.maps, drawn, settings])}"

    def finished(self, name: str) -> pd.DataFrame | None:
        """The table of a measured draw; None if it was not measured, or if its file is damaged."""
        file = self._file(name)
        if not is_complete(file):
            return None
        try:
            return read_table(file)
        except UserError as error:
            logger.warning("%s; this draw is measured again", str(error).partition(". To restore it")[0])
            return None

    def get(self, name: str, measure: Callable[[], pd.DataFrame]) -> tuple[pd.DataFrame, bool]:
        """The table of a draw, measured only if it was not before, and whether it was."""
        table = self.finished(name)
        if table is not None:
            return table, True
        table = measure()
        write_table(self._file(name), table)
        return table, False

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.parquet"
