"""`prn models` and `prn rollback`: list the registered models, and return to an older version."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from prn_pipeline.commands.terminal import project_root
from prn_pipeline.commands.user_errors import report_user_errors
from prn_pipeline.errors import UserError

if TYPE_CHECKING:
    from prn_pipeline.promotion.listing import Listing
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
    from rich.console import Console
    from rich.table import Table

    listing = _listing()
    if not listing:
        click.echo("No model is registered: `kedro run --pipelines promotion` registers the predictor of a run.")
        return
    if model is not None and model not in listing:
        raise UserError(f"the registry has no model {model}; it has {', '.join(listing)}")
    table = Table("model", "version", "", "made by", "registered")
    for name in listing if model is None else [model]:
        for one in listing[name]:
            when = one.registered.strftime("%Y-%m-%d %H:%M")
            table.add_row(name, str(one.number), ", ".join(one.roles), one.made_by, when)
    Console(markup=False).print(table)


def _listing() -> Listing:
    """The versions in the registry that `use_project_registry` would use, without MLflow where that is possible."""
    from prn_pipeline.promotion.database_listing import list_from_database
    from prn_pipeline.promotion.listing import list_through_mlflow

    uri = os.environ.get("MLFLOW_TRACKING_URI")
    found = list_from_database(_project_registry()[0] if uri is None else uri)
    if found is None:
        use_project_registry()
        found = list_through_mlflow()
    return found


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

        from prn_pipeline.tracking.tracking_store import prepare_tracking_store

        uri, project = _project_registry()
        prepare_tracking_store(uri, project)
        mlflow.set_tracking_uri(uri)


def _project_registry() -> tuple[str, Path]:
    """Address of the project's tracking server, and the project's folder."""
    from prn_pipeline.configuration.tracking_server import tracking_settings

    try:
        project = project_root()
    except UserError as error:
        raise UserError(f"{error}, or export MLFLOW_TRACKING_URI to name the server that has the registry") from None
    return tracking_settings(project)["uri"], project


def _registry(name: str) -> Registry:
    from prn_pipeline.promotion.registry import Registry

    return Registry(name)
