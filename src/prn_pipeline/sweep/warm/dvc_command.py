"""`dvc`, except that it writes the record of a stage into dvc.lock without reading and writing all others.

DVC reads the whole file and writes it again after every stage, by a parser that keeps comments and takes 40 ms a stage:
in a benchmark of hundreds of stages that is most of what DVC takes. The file is the same, and is replaced as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dvc.cli import main as dvc
from dvc.dvcfile import Lockfile, logger
from dvc.stage import PipelineStage, serialize
from dvc.utils.serialize import dumps_yaml

from prn_pipeline.data.store.atomic import atomic_write
from prn_pipeline.sweep.lock_records import with_records

_dump_all = Lockfile.dump_stages


def main() -> int:
    """Run DVC with the arguments of this process; the exit code."""
    Lockfile.dump_stages = _dump_stages
    return int(dvc())


def _dump_stages(lock: Lockfile, stages: Sequence[PipelineStage], **options: Any) -> None:
    """Record stages, as `Lockfile.dump_stages` does."""
    file = Path(lock.path)
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    records = {address: one for stage in stages for address, one in serialize.to_lockfile(stage, **options).items()}
    changed = with_records(text, records, dumps_yaml)
    if changed is None:
        _dump_all(lock, stages, **options)
    elif changed != text:
        logger.info("Updating lock file '%s'", lock.relpath)
        with atomic_write(file) as written:
            written.write_text(changed, encoding="utf-8")
        lock.repo.scm_context.track_file(lock.relpath)
