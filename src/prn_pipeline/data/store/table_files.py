"""Tables in files with a checksum: Parquet has it in its metadata, CSV in the name of an empty last column."""

from __future__ import annotations

import io
from collections.abc import Hashable
from pathlib import Path

import pandas as pd

from prn_pipeline.data.store.atomic import atomic_write
from prn_pipeline.data.store.checksums import NAME, PLACEHOLDER, ChecksumError, check_seal, near_name, sealed
from prn_pipeline.data.store.spreadsheets import csv_text, unescaped
from prn_pipeline.errors import UserError
from prn_pipeline.layout.origins import rerun


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table atomically, as .csv or .parquet by suffix; Parquet keeps `attrs`."""
    buffer = io.BytesIO()
    if path.suffix == ".csv":
        buffer.write(csv_text(table.assign(**{PLACEHOLDER: ""})).encode())
    else:
        marked = table.copy(deep=False)
        marked.attrs = {**table.attrs, NAME: PLACEHOLDER}
        marked.to_parquet(buffer)
    with atomic_write(path) as temporary:
        temporary.write_bytes(sealed(buffer.getvalue()))


def read_table(path: Path) -> pd.DataFrame:
    """Read what `write_table` wrote, or a CSV file of an earlier version.

    Raises:
        UserError: the file is damaged.
    """
    try:
        data = path.read_bytes()
        return _csv(data) if path.suffix == ".csv" else _parquet(data)
    except OSError:
        raise
    except Exception as error:  # pandas and pyarrow raise many types
        reason = str(error).partition("\n")[0] if data.strip() else "it is empty"
        raise UserError(f"{path} is damaged: {reason}. To restore it, {rerun(path)}") from error


def _csv(data: bytes) -> pd.DataFrame:
    """A table whose empty fields are missing values; sample ids stay text, also `007` and `NA`."""
    header = data.partition(b"\n")[0].decode("latin1")
    length = len(NAME)
    has_checksum = any(near_name(header[at : at + length]) for at in range(len(header) - length + 1))
    if has_checksum:
        check_seal(data)
    elif not data.endswith(b"\n"):
        raise ChecksumError("its last line is incomplete")
    columns = pd.read_csv(io.BytesIO(data), nrows=0).columns
    missing: dict[Hashable, list[str]] = {name: [""] for name in columns if name != "sample_id"}
    table = pd.read_csv(io.BytesIO(data), dtype={"sample_id": str}, keep_default_na=False, na_values=missing)
    if "sample_id" in table:
        table["sample_id"] = table["sample_id"].map(unescaped)
    return table.iloc[:, :-1] if has_checksum else table


def _parquet(data: bytes) -> pd.DataFrame:
    check_seal(data)
    table = pd.read_parquet(io.BytesIO(data))
    del table.attrs[NAME]
    return table
