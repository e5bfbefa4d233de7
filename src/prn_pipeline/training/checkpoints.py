"""The folder that an interrupted training resumes from, and whether its files are as they were written."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from prn_pipeline.data.store.sample_store import IDENTITY, Samples

#: Columns of the manifest that decide which trainings a sample is assigned to.
ASSIGNMENT = ("sample_id", "split", "fold", "group", "video")

#: File of the newest checkpoint, which an interrupted training resumes from.
LAST = "last.ckpt"

#: What names of the network's weights begin with in a checkpoint.
NETWORK = "network."

#: What PyTorch ends the name of an entry with in which a module stores anything else.
EXTRA = "_extra_state"

#: Attribute of a record in a ZIP file that marks it as a folder; `torch.save` writes none.
FOLDER = 0x10


def checkpoint_folder(root: Path, samples: Samples, name: str, seed: int, *settings: BaseModel) -> Path:
    """A folder named after everything that defines a training: samples, their assignment, stores, seed and settings.

    So a training never resumes from weights of other settings, nor, after samples were assigned to other splits or
    folds, from weights that have seen samples which are held out now.
    """
    assignment = samples.manifest[[column for column in ASSIGNMENT if column in samples.manifest]]
    definition = {
        "samples": samples.manifest.attrs.get(IDENTITY),
        "stores": {role: store.attributes for role, store in samples.stores.items()},
        "assignment": hashlib.sha256(assignment.to_csv(index=False).encode()).hexdigest(),
        "seed": seed,
        "settings": [part.model_dump(mode="json") for part in settings],
    }
    digest = hashlib.sha256(json.dumps(definition, sort_keys=True).encode()).hexdigest()
    return root / f"{name}-{digest[:16]}"


def damage(checkpoint: Path) -> str | None:
    """What is wrong with a file of `torch.save`, or None; `torch.load` does not check the CRC-32 of its records."""
    try:
        with zipfile.ZipFile(checkpoint) as archive:
            record = archive.testzip()
            folders = [one.filename for one in archive.infolist() if one.external_attr & FOLDER]
    except Exception as error:  # zipfile raises many types
        return str(error) or type(error).__name__
    if folders:  # `torch.load` would leave the memory of such a tensor as it is
        return f"{folders[0]} is marked as a folder"
    return None if record is None else f"{record} does not match its checksum"


def names_that_differ(stored: Mapping[str, Any], network: nn.Module) -> list[str]:
    """Names of weights that only one of the two has, or whose shapes differ.

    Args:
        stored: the state dict of a checkpoint, in which names of the network begin with `NETWORK`.
        network: that the checkpoint should belong to; layers may get their shapes from the first batch.
    """
    found = {name.removeprefix(NETWORK): value for name, value in stored.items() if name.startswith(NETWORK)}
    expected = network.state_dict()
    return sorted(
        name
        for name in found.keys() | expected.keys()
        if not name.endswith(EXTRA) and not _alike(found.get(name), expected.get(name))
    )


def _alike(found: Tensor | None, expected: Tensor | None) -> bool:
    if found is None or expected is None:
        return False
    return is_lazy(found) or is_lazy(expected) or found.shape == expected.shape
