"""`prn serve`: a server that answers requests with refined masks."""

from __future__ import annotations

from typing import Any

import click

from prn_pipeline.commands.registry import allow_option, use_project_registry
from prn_pipeline.commands.user_errors import report_user_errors
from prn_pipeline.serving.server.settings import ServerSettings


def _limit(name: str) -> Any:
    """An option with the name, the type, the default and the help of a server setting."""
    field = ServerSettings.model_fields[name]
    return click.option(
        f"--{name.replace('_', '-')}",
        type=field.annotation,
        default=field.default,
        show_default=True,
        help=field.description,
    )


@click.command()
@click.argument("model")
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="which address to listen at; 0.0.0.0 is all networks"
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=5000,
    show_default=True,
    help="which port to listen on; 0 is any free one",
)
@_limit("at_once")
@_limit("waiting")
@_limit("seconds")
@_limit("body_seconds")
@_limit("megabytes")
@_limit("connections")
@allow_option
@report_user_errors
def serve(model: str, host: str, port: int, allow_modules: tuple[str, ...], **limits: Any) -> None:
    """Serve MODEL over HTTP.

    MODEL is the folder of a predictor, or its address, such as models:/my_roads@champion. Send an image to /invocations
    with POST, or several images as JSON, in base64; the answer has their masks. GET /health answers while the process
    runs, and GET /ready while it has room for a request. The server has no encryption and asks for no password: put a
    proxy in front of it where others can reach it.
    """
    from pydantic import ValidationError

    from prn_pipeline.errors import UserError
    from prn_pipeline.serving.places import SCHEMES
    from prn_pipeline.serving.predictor import Predictor
    from prn_pipeline.serving.server import running

    try:
        settings = ServerSettings(**limits)
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"--{str(first['loc'][0]).replace('_', '-')} {first['input']}: {first['msg']}") from None
    if model.startswith(SCHEMES):
        use_project_registry()
    predictor = Predictor.load(model, allow_modules)

    def listening(address: str) -> None:
        made_by = predictor.settings.made_by or model
        click.echo(f"{made_by} at {address}; Ctrl-C ends it. One image, its mask as a picture:")
        click.echo(
            f"  curl --data-binary @photo.png -H 'Content-Type: image/png' -H 'Accept: image/png' {address}/invocations"
            " -o mask.png"
        )

    running.serve(predictor, host, port, settings, listening)
