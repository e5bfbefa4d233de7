"""Versions of one picture, told by their names: exports of Roboflow, and copies that an augmentation has written."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from prn_pipeline.errors import UserError

#: Pictures in one message.
MAX_LISTED = 3
#: Roboflow names each version of photo.jpg photo_jpg.rf.<hash>.jpg.
ROBOFLOW = r"^(.+?)\.rf\.[0-9A-Za-z]{8,}"
#: Ways to name the copies of a picture, the surest first; group(1) is the picture.
PATTERNS = (
    r"^(.+?)\.rf\.",
    r"^(.+?)(?:\.rf\..*)?$",
    r"(?i)^(.+?)(?:[-_ .]+(?:aug|copy|hflip|vflip|flip|mirror|rot|bright|dark|noise|blur|crop|jpe?g|orig).*)?$",
    r"^(.+?)(?: ?\(\d+\))?$",
    r"^(.+?)(?:[-_]\d{1,3})?$",
    r"^(.+?)[-_]",
)
#: Share of the near-duplicates that a pattern must keep together to be proposed.
COVERED = 0.8


def refuse_torn_versions(splits: Mapping[str, str], given: bool) -> None:
    """Check that no picture has versions of Roboflow in two splits.

    Args:
        splits: {sample_id: split}.
        given: whether the data set defines its splits itself.

    Raises:
        UserError: versions of one picture are in two splits.
    """
    versions = defaultdict(list)
    for sample_id in sorted(splits):
        if match := re.search(ROBOFLOW, sample_id):
            versions[match[1]].append(sample_id)
    torn = [ids for ids in versions.values() if len({splits[sample_id] for sample_id in ids}) > 1]
    if not torn:
        return
    examples = "; ".join(
        " and ".join(f"{sample_id} ({split})" for split, sample_id in _one_of_each_split(ids, splits)[:2])
        for ids in torn[:MAX_LISTED]
    )
    method = "method: ratio, " if given else ""
    pattern = PATTERNS[0] if all(map(re.compile(PATTERNS[0]).search, splits)) else PATTERNS[1]
    raise UserError(
        f"names of Roboflow: {len(splits)} images are versions of {len(versions)} pictures, and {len(torn)} pictures"
        f" have versions in more than one split: {examples}. Scores on them would be too high. Keep the versions of a"
        f" picture together: `split: {{{method}group: {{pattern: '{pattern}'}}}}`. If they are different pictures,"
        " make each a group of its own: `group: {pattern: '(.+)'}`."
    )


def _one_of_each_split(ids: Iterable[str], splits: Mapping[str, str]) -> list[tuple[str, str]]:
    """(split, the first of these samples in it)."""
    first: dict[str, str] = {}
    for sample_id in ids:
        first.setdefault(splits[sample_id], sample_id)
    return list(first.items())


def grouping_of(pairs: Iterable[tuple[str, str]], ids: Iterable[str]) -> str | None:
    """A `split.group.pattern` that keeps most of these pairs together, and tells most other samples apart; or None.

    Args:
        pairs: sample ids of near-duplicates.
        ids: all sample ids.
    """
    wanted, everything = list(pairs), list(ids)
    for pattern in PATTERNS:
        group = {
            sample_id: (match[1] if (match := re.search(pattern, sample_id)) else None) for sample_id in everything
        }
        kept = sum(group[one] is not None and group[one] == group[other] for one, other in wanted)
        sizes = Counter(name for name in group.values() if name is not None)
        every = len(sizes) and sum(sizes.values()) == len(everything)
        if wanted and every and kept >= COVERED * len(wanted) and len(sizes) >= len(everything) ** 0.5:
            return pattern
    return None
