"""Blocks of data sets in a project's parameters: read one, and add one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from prn_pipeline.configuration.parameters import Settings
from prn_pipeline.configuration.text_names import names_as_text
from prn_pipeline.configuration.validation import validated
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.data.store.atomic import atomic_write
from prn_pipeline.errors import UserError, unknown_name

#: The file that DVC's stages and the lists of benchmarks look into: a stage names one file for all data sets, and DVC
#: refuses a stage whose data set is not in it. So blocks cannot lie in files of their own; those that are added stand
#: at the end, which new versions of the project leave alone.
FILE = Path("conf/base/parameters_datasets.yml")


def dataset_settings(parameters: Settings, name: str) -> DatasetSettings:
    """The settings of one data set of the project, whichever is chosen for runs.

    Raises:
        UserError: there is none of this name, or its block is wrong.
    """
    blocks = parameters["datasets"]
    if name not in blocks:
        raise UserError(f"{unknown_name('dataset', name, sorted(blocks))}; `prn init FOLDER` adds yours")
    return validated(DatasetSettings, blocks[name], f"datasets.{name}")


def refuse_known_name(parameters: Settings, name: str) -> None:
    """Raise UserError if there is a data set of this name: a block is never overwritten."""
    if name in parameters["datasets"]:
        raise UserError(
            f"there is a data set {name!r} in conf/: look at it with `prn check {name}`, choose another name with"
            " --name, or remove its block"
        )


def add_dataset_block(project: Path, name: str, text: str) -> Path:
    """Append a block to the project's data sets; nothing else in the file changes.

    Args:
        project: root of the project.
        name: of the data set.
        text: lines of the block, indented by two spaces.

    Returns:
        The file.

    Raises:
        UserError: the file is missing, or its last key is not `datasets`, so that text at its end is no data set.
    """
    path = project / FILE
    if not path.is_file():
        raise UserError(f"{path}: no such file. Restore it, or create it with the line `datasets:`.")
    before = path.read_text(encoding="utf-8")
    after = f"{before.rstrip()}\n\n{text}"
    old, new = _blocks(before), _blocks(after)
    if old is None or new is None or new != old | {name: new.get(name)}:
        raise UserError(
            f"{path}: a data set cannot be added at its end: expected one key `datasets`, with blocks indented by two"
            f" spaces. Add this block by hand:\n{text.rstrip()}"
        )
    with atomic_write(path) as temporary:
        temporary.write_text(after, encoding="utf-8")
        temporary.chmod(path.stat().st_mode)
    return path


def _blocks(text: str) -> dict[str, Any] | None:
    """Blocks by name; None for text that does not define data sets alone."""
    try:
        loaded = yaml.safe_load(names_as_text(text))
    except yaml.YAMLError:
        return None
    if not isinstance(loaded, dict) or set(loaded) != {"datasets"}:
        return None
    blocks = loaded["datasets"] or {}
    return blocks if isinstance(blocks, dict) else None
