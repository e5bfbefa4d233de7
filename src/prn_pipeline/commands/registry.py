"""`prn models` and `prn rollback`: list the registered models, and return to an older version."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from prn_pipeline.commands.terminal import project_root
from prn_pipeline.commands.user_errors import report_user_errors
from prn_pipeline.errors import UserError

if TYPE_CHECKING:
    from prn_pipeline.promotion.registry import Registry


#: Option of every command that loads a predictor.
allow_option = click.option(
    "--allow-module",
    "allow_modules",
    multiple=True,
    metavar="MODULE",
    help="package or module that the predictor may import, for one with a base model of kind module; see"
    " docs/security.md",
)


@click.command()
@click.argument("model", required=False)
@report_user_errors
def models(model: str | None) -> None:
    """List the versions of all registered models, or of MODEL.

    Says which of them are champion and challenger.
    """
    import mlflow
    from rich.console import Console
    from rich.table import Table

    use_project_registry()
    names = [registered.name for registered in mlflow.search_registered_models()]
    if not names:
        click.echo("No model is registered: `kedro run --pipelines promotion` registers the predictor of a run.")
        return
    if model is not None and model not in names:
        raise UserError(f"the registry has no model {model}; it has {', '.join(names)}")
    table = Table("model", "version", "", "made by", "registered")
    for name in names if model is None else [model]:
        for row in _rows(_registry(name)):
            table.add_row(name, *row)
    Console(markup=False).print(table)


@click.command()
@click.argument("model")
@click.option("--to", help="number of the version  [default: the one that the champion replaced]")
@report_user_errors
def rollback(model: str, to: str | None) -> None:
    """Make an older version of MODEL the champion again.

    The champion that it replaces is not promoted again.
    """
    use_project_registry()
    before, now = _registry(model).roll_back(to)
    click.echo(f"{model}: the champion is now version {now}; it was version {before}")


def use_project_registry() -> None:
    """Use the registry of the project's tracking server, unless MLFLOW_TRACKING_URI names another."""
    if "MLFLOW_TRACKING_URI" not in os.environ:
        import mlflow

        from prn_pipeline.configuration.tracking_server import tracking_settings
        from prn_pipeline.tracking.tracking_store import prepare_tracking_store

        try:
            project = project_root()
        except UserError as error:
            raise UserError(
                f"{error}, or export MLFLOW_TRACKING_URI to name the server that has the registry"
            ) from None
        prepare_tracking_store(uri := tracking_settings(project)["uri"], project)
        mlflow.set_tracking_uri(uri)


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
