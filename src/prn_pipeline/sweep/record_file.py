"""dvc.lock for DVC, record by record.

DVC reads the whole file whatever it is asked, and after every stage reads and writes it by a parser that keeps
comments, which takes tens of milliseconds a record: in a benchmark of hundreds of stages that is most of what DVC
takes. Here it reads the records that it needs, and replaces one. What it finds and what it leaves is the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from dvc import dvcfile
from dvc.dvcfile import Lockfile, logger
from dvc.exceptions import DvcException
from dvc.stage import PipelineStage, serialize
from dvc.utils.serialize import ParseError, dumps_yaml, parse_yaml

from prn_pipeline.data.store.atomic import atomic_write
from prn_pipeline.sweep.lock_records import HEAD, records_of, with_records


class RecordFile(Lockfile):
    """A lock file whose records are read and written one by one; one that DVC has not written, as by DVC."""

    def _load_yaml(self, **options: Any) -> tuple[Any, str]:
        """What the file says and its text, as DVC's own method; but `stages` reads a record when it is asked for it."""
        records = None
        with self.repo.fs.open(self.path, "rb") as file, suppress(UnicodeDecodeError):
            text = file.read().decode()
            records = records_of(text)
        if options or not records:
            whole: tuple[Any, str] = super()._load_yaml(**options)
            return whole
        return {"schema": "2.0", "stages": _Records(self, records)}, text

    def dump_stages(self, stages: Sequence[PipelineStage], **options: Any) -> None:
        """Record stages, and replace the file as a whole."""
        file = Path(self.path).resolve()
        text = file.read_text(encoding="utf-8") if file.is_file() else ""
        records = {key: one for stage in stages for key, one in serialize.to_lockfile(stage, **options).items()}
        changed = with_records(text, records, dumps_yaml)
        if changed is None:
            super().dump_stages(stages, **options)
        elif changed != text:
            logger.info("Updating lock file '%s'", self.relpath)
            with atomic_write(file) as written:
                written.write_text(changed, encoding="utf-8")
            self.repo.scm_context.track_file(self.relpath)

    def whole(self) -> Mapping[str, Any]:
        """All records, as DVC reads them, or its error about what is wrong with the file."""
        found: Mapping[str, Any] = super()._load_yaml()[0]["stages"]
        return found


class _Records(Mapping[str, Any]):
    """Address -> record, parsed from its text when it is asked for."""

    def __init__(self, file: RecordFile, texts: Mapping[str, str]) -> None:
        self._file, self._texts = file, texts

    def __getitem__(self, address: str) -> Any:
        try:
            read = parse_yaml(HEAD + self._texts[address], self._file.path)
            self._file.validate(read)
            return read["stages"][address]
        except (ParseError, DvcException):
            return self._file.whole()[address]

    def __contains__(self, address: object) -> bool:
        return address in self._texts

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)


@contextmanager
def record_by_record() -> Iterator[None]:
    """Let DVC use `RecordFile` in this process."""
    dvcfile.Lockfile = RecordFile
    try:
        yield
    finally:
        dvcfile.Lockfile = Lockfile
