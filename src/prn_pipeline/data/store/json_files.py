"""JSON objects in files, with a checksum of their content; files of earlier versions have none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prn_pipeline.data.store.atomic import atomic_write
from prn_pipeline.data.store.checksums import NAME, ChecksumError, with_checksum, without_checksum
from prn_pipeline.errors import UserError
from prn_pipeline.layout.origins import rerun


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write the object and its checksum atomically."""
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(with_checksum(content), indent=2) + "\n")


def read_json(path: Path, remedy: str | None = None) -> dict[str, Any]:
    """Read an object, without its checksum.

    Args:
        path: of the file.
        remedy: what to do about a damaged file; None: run the stage that writes it again.

    Raises:
        UserError: there is no file, it is no JSON object, or its content is not what was written.
    """
    remedy = remedy or rerun(path)
    if not path.is_file():
        raise UserError(f"no file {path}: {remedy}")
    try:
        content = json.loads(path.read_text())
        if not isinstance(content, dict):
            raise ValueError(f"it holds a {type(content).__name__}, expected an object")
        return without_checksum(content)
    except ChecksumError as error:
        raise UserError(
            f"{path} is damaged: {error}. Restore it (`git checkout` where git has it), or {remedy}. After a change of"
            f" your own, remove the key {NAME!r}"
        ) from None
    except (ValueError, RecursionError) as error:
        found = "empty" if not path.read_bytes().strip() else f"not JSON ({error})"
        raise UserError(f"{path} is {found}: restore it (`git checkout` where git has it), or {remedy}") from None
