"""`dvc`, except that it reads and writes dvc.lock record by record."""

from __future__ import annotations

from dvc.cli import main as dvc

from prn_pipeline.sweep.record_file import record_by_record


def main() -> int:
    """Run DVC with the arguments of this process; the exit code."""
    with record_by_record():
        return int(dvc())
