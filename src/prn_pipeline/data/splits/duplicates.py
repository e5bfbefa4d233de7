"""Duplicates: an image under two names must not be in both train and test."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping

from prn_pipeline.errors import UserError, counted

logger = logging.getLogger(__name__)
#: Images in one message.
MAX_LISTED = 5


def join_identical(groups: Mapping[str, str], content: Mapping[str, str]) -> dict[str, str]:
    """Join groups that share an image.

    Args:
        groups: {sample_id: group}.
        content: {sample_id: hash of the decoded image}.

    Returns:
        {sample_id: group}; a joined group gets the first of the names in sorted order.
    """
    parent = {group: group for group in groups.values()}

    def root(group: str) -> str:
        while parent[group] != group:
            parent[group] = parent[parent[group]]
            group = parent[group]
        return group

    for copies in _identical(content):
        for other in copies[1:]:
            first, second = sorted((root(groups[copies[0]]), root(groups[other])))
            parent[second] = first
    return {sample_id: root(group) for sample_id, group in groups.items()}


def warn_of_identical(name: str, content: Mapping[str, str], masks: Mapping[str, str]) -> None:
    """Log which samples of data set `name` hold the same image, and which of them have different masks.

    Args:
        name: of the data set.
        content: {sample_id: hash of the decoded image}.
        masks: {sample_id: hash of the mask}.
    """
    copies = _identical(content)
    if not copies:
        return
    differ = [ids for ids in copies if len({masks[sample_id] for sample_id in ids}) > 1]
    contradiction = (
        f". {len(differ)} of them have different masks, such as {_listed(differ[:1])}: correct them; or, if each mask"
        " shows a part, keep one image with all of its masks (`mask: {masks_per_image: union}`)"
        if differ
        else ""
    )
    logger.warning(
        "data set '%s': %s more than once, all copies in one split and fold: %s%s",
        name,
        counted(len(copies), "image occurs", "images occur"),
        _listed(copies),
        contradiction,
    )


def refuse_identical_across(splits: Mapping[str, str | None], content: Mapping[str, str]) -> None:
    """Check that no image is in two of the given splits.

    Args:
        splits: {sample_id: split that the data set defines}.
        content: {sample_id: hash of the decoded image}.

    Raises:
        UserError: an image occurs in two splits.
    """
    shared = [copies for copies in _identical(content) if len({splits[sample_id] for sample_id in copies}) > 1]
    if shared:
        named = "; ".join(
            " = ".join(f"{sample_id} ({splits[sample_id]})" for sample_id in copies) for copies in shared[:MAX_LISTED]
        )
        more = f"; and {len(shared) - MAX_LISTED} more" if len(shared) > MAX_LISTED else ""
        raise UserError(
            f"images occur in more than one split: {named}{more}. Scores on them would be too high: remove one of each"
            " from the split files, or use `split: {method: ratio}`, which keeps them together."
        )


def _identical(content: Mapping[str, str]) -> list[list[str]]:
    samples = defaultdict(list)
    for sample_id in sorted(content):
        samples[content[sample_id]].append(sample_id)
    return [copies for copies in samples.values() if len(copies) > 1]


def _listed(copies: list[list[str]]) -> str:
    return "; ".join(" = ".join(ids) for ids in copies[:MAX_LISTED]) + (" ..." if len(copies) > MAX_LISTED else "")
