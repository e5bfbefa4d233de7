"""The folder that an interrupted training resumes from, and whether its files are as they were written."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel
from torch import Tensor, nn

from prn_pipeline.data.store.sample_store import IDENTITY, Samples

#: Columns of the manifest that decide which trainings a sample is assigned to.
ASSIGNMENT = ("sample_id", "split", "fold", "group", "video")

#: File of the newest checkpoint, which an interrupted training resumes from.
LAST = "last.ckpt"

#: What names of the network's weights begin with in a checkpoint.
NETWORK = "network."

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


def names_that_differ(stored: Mapping[str, Tensor], network: nn.Module) -> list[str]:
    """Names of weights that only one of the two has, or whose shapes differ.

    Args:
        stored: weights of a checkpoint, whose names begin with `NETWORK`.
        network: that the checkpoint should belong to.
    """
    found = {name.removeprefix(NETWORK): tensor.shape for name, tensor in stored.items() if name.startswith(NETWORK)}
    expected = {name: tensor.shape for name, tensor in network.state_dict().items()}
    return sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
