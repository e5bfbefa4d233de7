"""The versions of all registered models, as `prn models` lists them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from prn_pipeline.promotion.marks import BROKEN, CHALLENGER, CHAMPION, MADE_BY, TAKEN_BACK


class ListedVersion(NamedTuple):
    """A version of a registered model.

    Attributes:
        number: 1 for the first version.
        roles: what it is: "champion", "challenger", "taken back", "broken", in this order.
        made_by: the run that made it; "" if it does not say.
        registered: when, in UTC.
    """

    number: int
    roles: tuple[str, ...]
    made_by: str
    registered: datetime


#: Names of all models, in order -> their versions, the newest first.
Listing = dict[str, list[ListedVersion]]


def listed_version(
    number: int, milliseconds: int, tags: Mapping[str, str], aliases: Mapping[str, int]
) -> ListedVersion:
    """A version as it is listed.

    Args:
        number: of the version.
        milliseconds: since 1970, when it was registered.
        tags: of the version.
        aliases: of its model: alias -> number of the version that has it.
    """
    roles = [alias for alias in (CHAMPION, CHALLENGER) if aliases.get(alias) == number]
    roles += [tag.replace("_", " ") for tag in (TAKEN_BACK, BROKEN) if tag in tags]
    return ListedVersion(number, tuple(roles), tags.get(MADE_BY, ""), datetime.fromtimestamp(milliseconds / 1000, UTC))


def list_through_mlflow() -> Listing:
    """The versions in the registry that MLflow is set to."""
    import mlflow

    from prn_pipeline.promotion.registry import Registry

    found: Listing = {}
    for model in mlflow.search_registered_models():
        aliases = {alias: int(number) for alias, number in model.aliases.items()}
        found[model.name] = [
            listed_version(int(one.version), one.creation_timestamp, one.tags, aliases)
            for one in Registry(model.name).versions()
        ]
    return found
