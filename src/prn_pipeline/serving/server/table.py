"""The body of a request as a table of encoded files: JSON in the forms that MLflow's server reads, or one file."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

import pandas as pd

from prn_pipeline.errors import UserError
from prn_pipeline.serving.server.refusal import RefusedError

SPLIT, RECORDS, INSTANCES, INPUTS = "dataframe_split", "dataframe_records", "instances", "inputs"
FORMS = (SPLIT, RECORDS, INSTANCES, INPUTS)
#: Parameters of a request, all of them true or false.
PARAMETERS = ("probabilities", "at_own_scale")
JSON = "application/json"


class Asked(NamedTuple):
    """A request that has been read.

    Attributes:
        table: one row per image; values are bytes of encoded files, or None.
        params: arguments of `serving.requests.answer`.
    """

    table: pd.DataFrame
    params: dict[str, bool]


def read_request(
    body: bytes, content_type: str, query: Mapping[str, str], columns: Mapping[str, bool], most: int
) -> Asked:
    """Read a request.

    Args:
        body: JSON, or the content of one image (or map) file.
        content_type: application/json, or image/... or application/octet-stream for a file.
        query: parameters in the address, for a file.
        columns: name of a column -> whether it is required; see `serving.requests.columns_of`.
        most: images of a request.

    Raises:
        UserError: the body is not such a request.
        RefusedError: 415, another content type.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind == JSON:
        return _from_json(body, columns, most)
    if kind.startswith("image/") or kind == "application/octet-stream":
        required = [name for name, needed in columns.items() if needed]
        if len(required) > 1:
            raise UserError(f"one file, expected the columns {', '.join(required)}: send {JSON}")
        words = {"true": True, "1": True, "false": False, "0": False}
        return Asked(
            pd.DataFrame({required[0]: [body]}),
            _parameters({name: words.get(value.lower(), value) for name, value in query.items()}),
        )
    raise RefusedError(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        f"the header Content-Type is {'missing' if not kind else 'of another kind'}, expected {JSON}, image/png or"
        " another image, or application/octet-stream",
    )


def _from_json(body: bytes, columns: Mapping[str, bool], most: int) -> Asked:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        where = f", in line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        raise UserError(f"the body is not valid JSON{where}") from None
    if not isinstance(content, dict):
        raise UserError(f"the body is {_kind(content)}, expected an object with {' or '.join(FORMS)}")
    forms = [form for form in FORMS if form in content]
    if len(forms) != 1:
        raise UserError(f"the body has {' and '.join(forms) or 'no input'}, expected one of {', '.join(FORMS)}")
    rows = _rows(forms[0], content[forms[0]], columns)
    if not 0 < len(rows) <= most:
        raise UserError(f"{len(rows)} images, expected 1 to {most} in a request: send several requests")
    params = content.get("params")
    if not isinstance(params, dict | None):
        raise UserError(f"params is {_kind(params)}, expected an object")
    table = [
        {name: _decoded(row.get(name), name, number, needed) for name, needed in columns.items()}
        for number, row in enumerate(rows)
    ]
    return Asked(pd.DataFrame(table).dropna(axis="columns", how="all"), _parameters(params or {}))


def _rows(form: str, content: Any, columns: Mapping[str, bool]) -> list[Mapping[str, Any]]:
    """Rows by column name, with exactly the known columns."""
    required = [name for name, needed in columns.items() if needed]
    if form == SPLIT:
        content = _whole(content, dict, form)
        names = _whole(content.get("columns"), list, f"{form}.columns")
        data = _whole(content.get("data"), list, f"{form}.data")
        if any(not isinstance(row, list) or len(row) != len(names) for row in data):
            raise UserError(f"{form}.data: each row is a list with one value for each of {len(names)} columns")
        rows: list[Any] = [dict(zip(map(str, names), row, strict=True)) for row in data]
    elif form == INPUTS and isinstance(content, dict):
        lists = [_whole(values, list, f"{form}: a column") for values in content.values()]
        if len({len(values) for values in lists}) > 1:
            raise UserError(f"{form}: columns of different lengths")
        rows = [dict(zip(content, values, strict=True)) for values in zip(*lists, strict=True)]
    else:
        rows = _whole(content, list, form)
        if form != RECORDS and len(required) == 1:  # a list of images needs no name of a column
            rows = [row if isinstance(row, dict) else {required[0]: row} for row in rows]
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise UserError(f"{form}: row {number} is {_kind(row)}, expected an object with {', '.join(required)}")
        others = _others(row, columns)
        if missing := [name for name in required if name not in row]:
            raise UserError(f"{form}: row {number} has no {', '.join(missing)}{' but ' if others else ''}{others}")
        if others:
            raise UserError(f"{form}: row {number} has {others}; expected {', '.join(columns)}")
    return rows


def _others(row: Mapping[str, Any], columns: Mapping[str, bool]) -> str:
    """The unknown columns of a row: by name if it looks like one, for it may also be a part of somebody's data."""
    others = [str(name) for name in row if name not in columns]
    named = [name for name in others if name.isidentifier() and len(name) <= 30]
    return f"other columns: {', '.join(named[:5]) or len(others)}" if others else ""


def _decoded(value: Any, column: str, row: int, needed: bool) -> bytes | None:
    if value is None and not needed:
        return None
    if isinstance(value, dict) and set(value) == {"b64"}:  # as TensorFlow Serving writes binary values
        value = value["b64"]
    if not isinstance(value, str):
        raise UserError(f"row {row}: {column} is {_kind(value)}, expected the content of a file in base64")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise UserError(f"row {row}: {column} is not base64 ({error})") from None


def _parameters(params: Mapping[str, Any]) -> dict[str, bool]:
    for name, value in params.items():
        if name not in PARAMETERS:
            raise UserError(f"an unknown parameter, expected {' or '.join(PARAMETERS)}")
        if not isinstance(value, bool):
            raise UserError(f"{name} is {_kind(value)}, expected true or false")
    return dict(params)


def _whole(value: Any, kind: type[list[Any]] | type[dict[str, Any]], name: str) -> Any:
    if not isinstance(value, kind):
        raise UserError(f"{name} is {_kind(value)}, expected {'a list' if kind is list else 'an object'}")
    return value


def _kind(value: Any) -> str:
    """A JSON value's kind, in words."""
    if value is None:
        return "missing"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a text"
    return "a list" if isinstance(value, Sequence) else "an object"
