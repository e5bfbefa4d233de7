"""The versions of all registered models, read from MLflow's database without MLflow, which takes seconds to import.

Only a database whose tables are known is read. Everything else is left to MLflow: servers, other databases, tables of
another version of MLflow, workspaces, and whatever is wrong with a database.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections import defaultdict
from contextlib import closing
from pathlib import Path

from prn_pipeline.promotion.listing import Listing, listed_version

#: Revision of MLflow's tables that the queries below are written for, as the database names it.
REVISION = "dc11669786a5"
#: Address of a database with an absolute path; SQLAlchemy takes % and further parameters in ways of its own.
_ADDRESS = re.compile(r"sqlite:///(?P<file>/[^?%]+)(\?timeout=(?P<seconds>\d+))?")
#: Variables that make MLflow look elsewhere.
_ELSEWHERE = re.compile(r"MLFLOW_(REGISTRY_URI|.*WORKSPACE.*)")
#: Prompts are registered models too, which MLflow does not list among them.
_MODELS = """
SELECT name FROM registered_models WHERE workspace = 'default' AND name NOT IN (
    SELECT name FROM registered_model_tags
    WHERE workspace = 'default' AND key = 'mlflow.prompt.is_prompt' AND lower(value) = 'true'
) ORDER BY name
"""
_ALIASES = "SELECT name, alias, version FROM registered_model_aliases WHERE workspace = 'default'"
_TAGS = "SELECT name, version, key, value FROM model_version_tags WHERE workspace = 'default'"
_VERSIONS = """
SELECT name, version, creation_time FROM model_versions
WHERE workspace = 'default' AND current_stage != 'Deleted_Internal' ORDER BY version DESC
"""


def list_from_database(uri: str) -> Listing | None:
    """The versions in the registry of a tracking store; None if MLflow has to be asked.

    Nothing is written: a database that does not exist yet holds no models.

    Args:
        uri: of the tracking store.
    """
    address = _ADDRESS.fullmatch(uri)
    if address is None or any(_ELSEWHERE.fullmatch(name) for name in os.environ):
        return None
    file = Path(address["file"])
    if not file.exists() and file.parent.is_dir():
        return {}
    try:
        with closing(
            sqlite3.connect(f"{file.as_uri()}?mode=ro", timeout=float(address["seconds"] or 5), uri=True)
        ) as base:
            return _read(base) if _revisions(base) == [REVISION] else None
    except (sqlite3.Error, ValueError):  # MLflow says what is wrong
        return None


def _revisions(base: sqlite3.Connection) -> list[str]:
    return [revision for (revision,) in base.execute("SELECT version_num FROM alembic_version")]


def _read(base: sqlite3.Connection) -> Listing:
    base.execute("BEGIN")  # all queries see the same state
    aliases: dict[str, dict[str, int]] = defaultdict(dict)
    tags: dict[tuple[str, int], dict[str, str]] = defaultdict(dict)
    for model, alias, number in base.execute(_ALIASES):
        aliases[model][alias] = number
    for model, number, key, value in base.execute(_TAGS):
        tags[model, number][key] = value
    found: Listing = {model: [] for (model,) in base.execute(_MODELS)}
    for model, number, milliseconds in base.execute(_VERSIONS):
        if model in found:
            found[model].append(listed_version(number, milliseconds, tags[model, number], aliases[model]))
    return found
