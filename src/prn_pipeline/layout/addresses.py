"""The address of an artefact: what it belongs to. A file that was copied to another address is not read there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prn_pipeline.errors import UserError
from prn_pipeline.layout.origins import place_of, rerun
from prn_pipeline.layout.places import METRICS
from prn_pipeline.layout.scopes import SCOPES, scope_path

#: Key under which artefacts store their address.
ADDRESS = "address"


def address(path: Path) -> dict[str, str]:
    """`{"address": "04_feature/drive/unet/seed-0/logits.zarr"}`; empty for a file that is at no such place."""
    found = place_of(path)
    return {} if found is None else {ADDRESS: found}


def scores_address(scores: Mapping[str, Any]) -> str | None:
    """The address of scores, from the names of their run; None if they lack one."""
    if not all(name in scores for name in SCOPES["run"]):
        return None
    return f"{METRICS.name}/{scope_path('run', dict(scores))}.json"


def check_address(path: Path, recorded: object) -> None:
    """Compare the recorded address of an artefact with the place where it is.

    Two seeds have arrays of the same shapes: copied from one run to another, they would be read without a sign. The
    project itself may be moved anywhere.

    Args:
        path: of the artefact.
        recorded: its address; None for an artefact of an earlier version, which is not checked.

    Raises:
        UserError: it was written for another place.
    """
    expected = place_of(path)
    if recorded is not None and expected is not None and recorded != expected:
        raise UserError(f"{path} was written as {recorded}, and copied or renamed since: delete it and {rerun(path)}")
