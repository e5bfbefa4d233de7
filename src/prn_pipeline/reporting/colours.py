"""Colours of page and figures, light and dark.

Page and figures share these values, so the background of a figure is that of its card. The hues stay apart under every
common colour blindness: teal for the refiner, orange for too much, blue for too little.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Theme:
    """One colour scheme; every value is a CSS hex colour."""

    page: str
    card: str
    ink: str
    muted: str
    line: str
    base: str
    refiner: str
    over: str
    under: str
    neutral: str
    tint: str


LIGHT = Theme(
    page="#f5f6f8",
    card="#ffffff",
    ink="#1b2430",
    muted="#5a6573",
    line="#e3e7ec",
    base="#7b8796",
    refiner="#0b7a75",
    over="#c2500c",
    under="#1f6cb0",
    neutral="#f1f2f4",
    tint="#e8f3f2",
)
DARK = Theme(
    page="#0f1319",
    card="#171d25",
    ink="#e8ecf1",
    muted="#9ba7b5",
    line="#2b343f",
    base="#8c99a9",
    refiner="#4fc9ba",
    over="#f2914f",
    under="#6fb4f3",
    neutral="#262e38",
    tint="#17302f",
)
