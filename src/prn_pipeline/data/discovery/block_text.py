"""The block of a data set as YAML with comments."""

from __future__ import annotations

from typing import Any

import yaml

from prn_pipeline.data.discovery.proposal import Proposal
from prn_pipeline.errors import counted

INDENT = "  "


def block_text(proposal: Proposal) -> str:
    """Lines that stand below `datasets:`, indented by two spaces, with a comment on what a person may change."""
    comments = {
        "classes": "names of the ids 0, 1, 2, ...: rename them",
        "image_size": proposal.size_reason,
    }
    lines = [f"{INDENT}{_flow(proposal.name)}: # {counted(proposal.samples, 'image')} with masks, by `prn init`"]
    for key, value in proposal.block.items():
        comment = f" # {comments[key]}" if key in comments else ""
        lines.append(f"{INDENT * 2}{key}: {_flow(value)}{comment}")
    return "\n".join(lines) + "\n"


def _flow(value: Any) -> str:
    """A value on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=float("inf"))
    return text.removesuffix("...\n").strip()
