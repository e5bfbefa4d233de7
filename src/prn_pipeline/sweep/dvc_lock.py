"""dvc.lock: what DVC recorded when it last ran each stage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml


def read_lock(file: Path) -> dict[str, dict[str, Any]]:
    """Address of each recorded stage -> its `cmd`, `deps`, `params` and `outs`.

    Empty where the file is missing, or cannot be parsed because another process is writing it.
    """
    try:
        loaded = yaml.load(file.read_text(), yaml.CSafeLoader) if file.is_file() else None
        return dict((loaded or {}).get("stages") or {})
    except (yaml.YAMLError, AttributeError):
        return {}
