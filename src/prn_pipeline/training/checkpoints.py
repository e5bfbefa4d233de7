"""Where an interrupted training is continued from."""

from __future__ import annotations

import hashlib
import json
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import BaseModel

from prn_pipeline.data.store.sample_store import IDENTITY, Samples

logger = logging.getLogger(__name__)

#: Columns of the manifest that say who learns from a sample.
DEALT = ("sample_id", "split", "fold", "group", "video")


def checkpoint_folder(root: Path, samples: Samples, name: str, seed: int, *settings: BaseModel) -> Path:
    """A folder named after everything that defines a training: samples, settings, seed and inputs.

    A training with other settings gets another folder, so it never continues from weights that are not its own; nor,
    when samples are dealt out anew, from weights that have seen what is held out now.
    """
    dealt = samples.manifest[[column for column in DEALT if column in samples.manifest]]
    defining = {
        "samples": samples.manifest.attrs.get(IDENTITY),
        "stores": {role: store.attributes for role, store in samples.stores.items()},
        "dealt": hashlib.sha256(dealt.to_csv(index=False).encode()).hexdigest(),
        "seed": seed,
        "settings": [part.model_dump(mode="json") for part in settings],
    }
    digest = hashlib.sha256(json.dumps(defining, sort_keys=True).encode()).hexdigest()
    return root / f"{name}-{digest[:16]}"


@contextmanager
def checkpoint_lock(checkpoints: Path) -> Iterator[None]:
    """Wait until no other process of this machine does the training of this folder: its end removes the folder."""
    key = hashlib.sha256(str(checkpoints.absolute()).encode()).hexdigest()[:16]
    lock = FileLock(Path(tempfile.gettempdir()) / f"prn-{key}.lock", mode=0o666)  # others may come
    try:
        lock.acquire(timeout=0)
    except Timeout:
        logger.warning("another run is doing this training, in %s: waiting until it ends", checkpoints)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
