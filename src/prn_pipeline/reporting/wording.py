"""Numbers as text, in one place so that all tables and sentences agree."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

MISSING = "\N{EN DASH}"


def number(value: Any) -> float:
    """The value as a float; NaN for None, text, and anything else that is not a number."""
    try:
        return math.nan if value is None or isinstance(value, (bool, str)) else float(value)
    except (TypeError, ValueError):
        return math.nan


def interval(value: Any) -> tuple[float, float] | None:
    """(low, high) of a confidence interval, or None where either end is missing."""
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 2:
        return None
    low, high = number(value[0]), number(value[1])
    return (low, high) if math.isfinite(low) and math.isfinite(high) else None


def fixed(value: Any, digits: int = 3, signed: bool = False) -> str:
    """A number with `digits` decimals and a true minus sign; a dash where it is missing. Zero never has a sign."""
    amount = number(value)
    if not math.isfinite(amount):
        return MISSING
    text = f"{amount:.{digits}f}"
    if float(text) == 0:
        return text.lstrip("-")
    return ("+" if signed and amount > 0 else "") + text.replace("-", "\N{MINUS SIGN}")


def bracket(ends: tuple[float, float] | None, digits: int = 3) -> str:
    """[low, high], or a dash."""
    return MISSING if ends is None else f"[{fixed(ends[0], digits)}, {fixed(ends[1], digits)}]"


def whole(value: Any, signed: bool = False) -> str:
    """A whole number with commas between thousands and a true minus sign; a dash where it is missing."""
    amount = number(value)
    if not math.isfinite(amount):
        return MISSING
    return f"{round(amount):{'+' if signed and amount else ''},}".replace("-", "\N{MINUS SIGN}")


def unbroken(value: Any) -> Any:
    """Text in which no line ends between a number and its "%"; anything else as it is."""
    return re.sub(r"(?<=\d) %", "\N{NO-BREAK SPACE}%", value) if type(value) is str else value


def p_value(value: Any) -> str:
    """A p value; "< 0.001" below that."""
    amount = number(value)
    return "< 0.001" if 0 <= amount < 0.001 else fixed(amount)


def duration(seconds: Any) -> str:
    """Seconds as "0.4 s", "42 s", "3 min 20 s" or "2 h 05 min"."""
    amount = number(seconds)
    if not math.isfinite(amount):
        return MISSING
    if amount < 9.95:
        return f"{amount:.1f} s"
    whole = round(amount)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(amount / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"


def mebibytes(amount: Any) -> str:
    """MiB as "40 KiB", "850 MiB" or "1.4 GiB"."""
    value = number(amount)
    if not math.isfinite(value):
        return MISSING
    if value < 1:
        return f"{1024 * value:.0f} KiB"
    return f"{value:.0f} MiB" if value < 1000 else f"{value / 1024:.1f} GiB"
