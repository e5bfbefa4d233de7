"""A figure with its title, its note and its text for screen readers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from matplotlib.figure import Figure

from prn_pipeline.reporting.gallery import data_uri
from prn_pipeline.reporting.theme import DARK, LIGHT, Theme, draw_png


@dataclass(frozen=True)
class Card:
    """One figure in both colour schemes; `light` and `dark` are PNG bytes, `name` is safe as a file name."""

    name: str
    title: str
    alt: str
    note: str
    light: bytes
    dark: bytes

    @property
    def light_uri(self) -> str:
        """The light figure for `img src`."""
        return data_uri(self.light, "image/png")

    @property
    def dark_uri(self) -> str:
        """The dark figure for `source srcset`."""
        return data_uri(self.dark, "image/png")


def draw_card(name: str, title: str, alt: str, note: str, draw: Callable[[Theme], Figure]) -> Card:
    """A card whose figure is drawn in both colour schemes."""
    return Card(name, title, alt, note, light=draw_png(draw, LIGHT), dark=draw_png(draw, DARK))
