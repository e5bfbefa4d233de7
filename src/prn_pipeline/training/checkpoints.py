"""Where an interrupted training is continued from."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from pydantic import BaseModel

from prn_pipeline.data.sample_store import IDENTITY, Samples


def checkpoint_folder(root: Path, samples: Samples, name: str, seed: int, *settings: BaseModel) -> Path:
    """A folder named after everything that defines a training: samples, settings, seed and inputs.

    A training with other settings gets another folder, so it never continues from weights that are not its own.
    """
    defining = {
        "samples": samples.manifest.attrs.get(IDENTITY),
        "stores": {role: store.attributes for role, store in samples.stores.items()},
        "seed": seed,
        "settings": [part.model_dump(mode="json") for part in settings],
    }
    digest = hashlib.sha256(json.dumps(defining, sort_keys=True).encode()).hexdigest()
    return root / f"{name}-{digest[:16]}"
