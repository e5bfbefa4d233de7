"""The gallery as rows of pictures, ready for the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from prn_pipeline.reporting import gallery
from prn_pipeline.reporting.gallery import Panel
from prn_pipeline.reporting.inputs import GalleryKind, GalleryRow
from prn_pipeline.reporting.wording import fixed, number

#: Colours of the pictures, for the legend of the page.
LEGEND = {
    "map_gradient": [gallery.MAP_COLOURS(place / 4, bytes=True)[:3] for place in range(5)],
    "hit": gallery.HIT,
    "false_positive": gallery.FALSE_POSITIVE,
    "false_negative": gallery.FALSE_NEGATIVE,
    "ignore": gallery.IGNORED,
    "ignore_stripe": gallery.IGNORED_STRIPE,
}


@dataclass(frozen=True)
class PictureRow:
    """A gallery row as the page shows it."""

    sample_id: str
    kind: GalleryKind
    iou_base: str
    iou_refined: str
    gain: str
    panels: list[Panel]

    @property
    def masks(self) -> list[Panel]:
        """Image, base mask, refined mask, truth: what a reader looks at first."""
        return [self.panels[place] for place in (0, 2, 4, 5)]


def picture_rows(rows: Sequence[GalleryRow], refiner: str) -> list[PictureRow]:
    """The gallery: best gains first, then median, then worst."""
    side = gallery.panel_side(len(rows))
    return [_picture_row(row, refiner, side) for kind in get_args(GalleryKind) for row in rows if row.kind == kind]


def by_kind(pictures: Sequence[PictureRow]) -> dict[GalleryKind, list[PictureRow]]:
    """The picture rows of each kind that has any."""
    groups: dict[GalleryKind, list[PictureRow]] = {}
    for row in pictures:
        groups.setdefault(row.kind, []).append(row)
    return groups


def first_look(groups: Mapping[GalleryKind, Sequence[PictureRow]]) -> PictureRow | None:
    """The row that stands at the top of the page: of a median gain, which no picked example flatters."""
    return next(iter(groups.get("median", ())), None)


def _picture_row(row: GalleryRow, refiner: str, side: int) -> PictureRow:
    change = 100 * (number(row.iou_refined) - number(row.iou_base))
    return PictureRow(
        row.sample_id,
        row.kind,
        fixed(row.iou_base),
        fixed(row.iou_refined),
        fixed(change, 1, signed=True),
        gallery.panels(row, refiner, side),
    )
