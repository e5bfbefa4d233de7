"""`prn models` and `prn rollback`: what the registry has, and back to what was."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from prn_pipeline.commands.terminal import project_root
from prn_pipeline.commands.user_errors import report_user_errors
from prn_pipeline.errors import UserError

if TYPE_CHECKING:
    from prn_pipeline.promotion.registry import Registry


@click.command()
@click.argument("model", required=False)
@report_user_errors
def models(model: str | None) -> None:
    """Registered models, or MODEL alone: versions, and which of them is champion."""
    import mlflow
    from rich.console import Console
    from rich.table import Table

    ask_projects_registry()
    names = [registered.name for registered in mlflow.search_registered_models()]
    if not names:
        click.echo("No model is registered: `kedro run --pipelines promotion` registers a run's.")
        return
    if model is not None and model not in names:
        raise UserError(f"the registry has no model {model}; it has {', '.join(names)}")
    table = Table("model", "version", "", "made by", "registered")
    for name in names if model is None else [model]:
        for row in _rows(_registry(name)):
            table.add_row(name, *row)
    Console().print(table)


@click.command()
@click.argument("model")
@click.option("--to", help="number of a version  [default: the one that the champion has replaced]")
@report_user_errors
def rollback(model: str, to: str | None) -> None:
    """Make an older version of MODEL the champion again; the present one will not be promoted by itself any more."""
    ask_projects_registry()
    before, now = _registry(model).roll_back(to)
    click.echo(f"{model}: version {now} is champion now; it was {before}")


def ask_projects_registry() -> None:
    """Ask the tracking server of the project, unless MLFLOW_TRACKING_URI names one."""
    if "MLFLOW_TRACKING_URI" not in os.environ:
        import mlflow

        from prn_pipeline.configuration.tracking_server import tracking_of

        try:
            project = project_root()
        except UserError as error:
            raise UserError(f"{error}; or export MLFLOW_TRACKING_URI, which says where models are registered") from None
        mlflow.set_tracking_uri(tracking_of(project)["uri"])


def _registry(name: str) -> Registry:
    from prn_pipeline.promotion.registry import Registry

    return Registry(name)


def _rows(registry: Registry) -> list[tuple[str, str, str, str]]:
    from datetime import UTC, datetime

    from prn_pipeline.promotion.registry import BROKEN, CHALLENGER, CHAMPION, TAKEN_BACK

    holders = {alias: registry.aliased(alias) for alias in (CHAMPION, CHALLENGER)}
    rows = []
    for version in registry.versions():
        number = str(version.version)
        roles = [alias for alias, holder in holders.items() if holder and str(holder.version) == number]
        roles += [tag.replace("_", " ") for tag in (TAKEN_BACK, BROKEN) if tag in version.tags]
        when = datetime.fromtimestamp(version.creation_timestamp / 1000, UTC).strftime("%Y-%m-%d %H:%M")
        rows.append((number, ", ".join(roles), version.tags.get("made_by", ""), when))
    return rows
