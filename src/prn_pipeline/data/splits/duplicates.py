"""The same picture under two names must not be learned from and tested on."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping

from prn_pipeline.errors import UserError

logger = logging.getLogger(__name__)
NAMED = 5


def join_identical(groups: Mapping[str, str], content: Mapping[str, str]) -> dict[str, str]:
    """Make one group of all groups that share an image.

    Args:
        groups: {sample_id: group}.
        content: {sample_id: hash of the decoded image}.

    Returns:
        {sample_id: group}; a joined group takes the first of its groups' names.
    """
    parent = {group: group for group in groups.values()}

    def root(group: str) -> str:
        while parent[group] != group:
            parent[group] = parent[parent[group]]
            group = parent[group]
        return group

    for twins in _identical(content):
        for other in twins[1:]:
            first, second = sorted((root(groups[twins[0]]), root(groups[other])))
            parent[second] = first
    return {sample_id: root(group) for sample_id, group in groups.items()}


def warn_of_identical(name: str, content: Mapping[str, str]) -> None:
    """Log which samples of data set `name` hold the same image."""
    twins = _identical(content)
    if twins:
        logger.warning(
            "data set '%s': %d images occur more than once and stay together in one split and fold: %s",
            name,
            len(twins),
            _listed(twins),
        )


def refuse_identical_across(parts: Mapping[str, str | None], content: Mapping[str, str]) -> None:
    """Refuse given splits that share an image.

    Args:
        parts: {sample_id: split that the data set itself says}.
        content: {sample_id: hash of the decoded image}.

    Raises:
        UserError: an image occurs in two splits.
    """
    torn = [twins for twins in _identical(content) if len({parts[sample_id] for sample_id in twins}) > 1]
    if torn:
        named = "; ".join(
            " = ".join(f"{sample_id} ({parts[sample_id]})" for sample_id in twins) for twins in torn[:NAMED]
        )
        raise UserError(
            f"{len(torn)} images occur in more than one split: {named}. Scores on them would be flattering: remove "
            "one of each from the split files, or use `split: {method: ratio}`, which keeps them together."
        )


def _identical(content: Mapping[str, str]) -> list[list[str]]:
    samples = defaultdict(list)
    for sample_id in sorted(content):
        samples[content[sample_id]].append(sample_id)
    return [twins for twins in samples.values() if len(twins) > 1]


def _listed(twins: list[list[str]]) -> str:
    return "; ".join(" = ".join(ids) for ids in twins[:NAMED]) + (" ..." if len(twins) > NAMED else "")
