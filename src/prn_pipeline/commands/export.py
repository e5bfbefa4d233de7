"""`prn export`: write a predictor as ONNX, for devices without Python."""

from __future__ import annotations

from pathlib import Path

import click

from prn_pipeline.commands.registry import allow_option, use_project_registry
from prn_pipeline.commands.user_errors import report_user_errors
from prn_pipeline.errors import UserError


@click.command()
@click.option("--model", required=True, help="folder of a predictor, or its address: models:/my_roads@champion")
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="the .onnx file")
@allow_option
@report_user_errors
def export(model: str, out: Path, allow_modules: tuple[str, ...]) -> None:
    """Write base model and refiner as one ONNX file.

    Images go in, refined logits come out. The input is uint8 (N,3,H,W). N, H and W are free; H and W must be multiples
    of the printed number. The caller resizes images and maps, and cuts tiles. Needs the extra:
    pip install 'prn_pipeline[serving]'.
    """
    from importlib.util import find_spec

    from prn_pipeline.serving.onnx_export import INPUT, OUTPUT, export_onnx
    from prn_pipeline.serving.places import SCHEMES
    from prn_pipeline.serving.predictor import Predictor

    if not (find_spec("onnx") and find_spec("onnxscript")):
        raise UserError("onnx and onnxscript are not installed: pip install 'prn_pipeline[serving]'")
    if model.startswith(SCHEMES):
        use_project_registry()
    predictor = Predictor.load(model, allow_modules)
    multiple = export_onnx(predictor, out).multiple
    size = predictor.settings.canvas.shown
    click.echo(f"{out}: {INPUT} -> {OUTPUT}, foreground above 0; sides multiples of {multiple}, {size} in training")
    if predictor.settings.white is not None:
        click.echo(f"16-bit pictures: clip at {predictor.settings.white}, and scale that to 255, as in training")
