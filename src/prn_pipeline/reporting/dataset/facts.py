"""The summary of a data set (`data.summary`) in words: rows for the report and for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from prn_pipeline.errors import counted

#: Columns of a terminal.
WIDTH = 100
#: Sizes and values, and categories, in one row.
MAX_LISTED, MAX_CATEGORIES = 4, 12
SPLIT_COLUMNS = ("Split", "Images", "Groups", "Foreground", "Least to most", "Without foreground")


def split_rows(summary: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """One row per split, as text, in the order of `SPLIT_COLUMNS`."""
    return [
        (
            split,
            f"{one['images']:,}",
            f"{one['groups']:,}",
            _percent(one["foreground"]["mean"]),
            _span(one["foreground"]["low"], one["foreground"]["high"]),
            f"{one['without_foreground']:,}",
        )
        for split, one in summary["splits"].items()
    ]


def fact_rows(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(label, text) of everything else."""
    return [(label, text) for label, text in _facts(summary) if text]


def as_text(summary: Mapping[str, Any]) -> str:
    """The whole summary for a terminal of `WIDTH` columns; it begins with a line of its own."""
    table = [SPLIT_COLUMNS, *split_rows(summary)]
    widths = [max(len(row[column]) for row in table) for column in range(len(SPLIT_COLUMNS))]
    lines = [f"data set '{summary['dataset']}': {counted(summary['samples'], 'sample')}"]
    for row in table:
        first, *rest = (
            text.ljust(width) if column == 0 else text.rjust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("  " + "   ".join([first, *rest]))
    label_width = max((len(label) for label, _ in fact_rows(summary)), default=0) + 2
    for label, text in fact_rows(summary):
        first = f"  {label.ljust(label_width)}"
        lines += textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=" " * len(first))
    return "\n".join(lines)


def _facts(summary: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    files, images, masks = summary["files"], summary["images"], summary["masks"]
    for kind, count in files["found"].items():
        yield f"{kind.capitalize()}", f"{files['used'][kind]:,} of {count:,} files used"
    left = [
        f"{counted(one['count'], one['kind'].removesuffix('s'), one['kind'])} {one['reason']}"
        f" ({', '.join(one['examples'][:2])}{', ...' if one['count'] > 2 else ''})"
        for one in files["left_out"]
    ]
    yield "Left out", "; ".join(left)
    yield "Annotations", _outlines(files.get("annotations"))
    yield "Sizes", _sizes(images)
    one_kind = len(images["kinds"]) == 1
    kinds = ", ".join(kind if one_kind else f"{count:,} {kind}" for kind, count in images["kinds"].items())
    yield "Image values", f"{images['low']:g} to {images['high']:g}, {kinds}"
    yield "Mask values", _values(masks)
    yield "Turned by EXIF", _turned(images["turned"], masks["turned"])
    yield "Groups", _groups(summary["groups"], summary["samples"])
    yield "Duplicates", _duplicates(summary["duplicates"])
    yield "Video", "the images look like frames of videos" if summary["video"] else ""


def _outlines(annotations: Mapping[str, Any] | None) -> str:
    if not annotations:
        return ""
    found = [f"{count:,} of {name}" for name, count in annotations["outlines"].items()]
    more = len(found) - MAX_CATEGORIES
    listed = ", ".join(found[:MAX_CATEGORIES]) + (f" and of {more:,} other categories" if more > 0 else "")
    return f"{annotations['format']}, outlines: {listed or 'none'}"


def _sizes(images: Mapping[str, Any]) -> str:
    listed = [f"{height} x {width} ({count:,})" for height, width, count in images["sizes"][:MAX_LISTED]]
    if images["distinct_sizes"] == 1:
        height, width, _ = images["sizes"][0]
        return f"{height} x {width} pixels (height x width)"
    more = images["distinct_sizes"] - len(listed)
    (low, wide), (high, wider) = images["smallest"], images["largest"]
    span = f"{low} x {wide} to {high} x {wider} pixels (height x width)"
    return f"{span}: {', '.join(listed)}" + (f" and {more:,} more" if more > 0 else "")


def _values(masks: Mapping[str, Any]) -> str:
    if masks["distinct_values"] > len(masks["values"]):
        return f"{masks['low']} to {masks['high']}, {masks['distinct_values']} different"
    return ", ".join(f"{one['value']} in {counted(one['files'], 'mask')}" for one in masks["values"])


def _turned(images: int, masks: int) -> str:
    return f"{counted(images, 'image')} and {counted(masks, 'mask')}" if images or masks else ""


def _groups(groups: Mapping[str, Any], samples: int) -> str:
    if not groups["given"] and groups["count"] == samples:
        return "every image by itself"
    sizes = f"{groups['smallest']:,} to {groups['largest']:,} images, the largest {groups['name_of_largest']}"
    return f"{groups['count']:,} of {sizes}"


def _duplicates(duplicates: Mapping[str, Any]) -> str:
    near, pairs = duplicates["near_across_splits"], duplicates["examples"]
    found = []
    if duplicates["identical_images"]:
        found.append(f"{counted(duplicates['identical_images'], 'image occurs', 'images occur')} more than once")
    if near:
        one, split, other, other_split, _ = pairs[0]
        found.append(
            f"{counted(near, 'image is', 'images are')} nearly the same as one in another split, such as {one}"
            f" ({split}) and {other} ({other_split})"
        )
    if within := duplicates.get("near_within_splits", 0):  # absent from summaries of earlier versions
        found.append(f"{counted(within, 'image is', 'images are')} nearly the same as another one of their split")
    return "; ".join(found) or "none"


def _span(low: float | None, high: float | None) -> str:
    return "-" if low is None else f"{_percent(low)} to {_percent(high)}"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"
