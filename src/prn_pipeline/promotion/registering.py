"""Register a predictor as a version of a model, and verify that the registered version predicts the same."""

from __future__ import annotations

import io
import os
import tempfile
from importlib.metadata import version
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from mlflow.entities.model_registry import ModelVersion
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema, TensorSpec
from PIL import Image

import prn_pipeline
from prn_pipeline.errors import UserError
from prn_pipeline.processes.secrets import redact
from prn_pipeline.promotion.marks import BROKEN, DIGEST
from prn_pipeline.promotion.registry import Registry
from prn_pipeline.serving.item import Item
from prn_pipeline.serving.places import ARTEFACT
from prn_pipeline.serving.predictor import Predictor
from prn_pipeline.serving.requests import IMAGE, MAP, answer, columns_of

#: Requirements of the server and of `prn_pipeline.serving`; a test compares them with its imports.
REQUIREMENTS = (
    "imagecodecs",
    "mlflow",
    "numba",
    "numpy",
    "pandas",
    "pillow",
    "psutil",
    "pydantic",
    "rankseg",
    "safetensors",
    "scipy",
    "segmentation-models-pytorch",
    "tifffile",
    "torch",
    "torchvision",
    "zarr",
)
SERVED = Path(__file__).with_name("served_model.py")


def register(registry: Registry, predictor: Predictor, example: Item) -> ModelVersion:
    """Log a predictor to the active MLflow run, register it, load it back, and compare one prediction.

    Args:
        registry: of the model that gets the new version.
        predictor: to register.
        example: an image (or maps) as input for the prediction.

    Returns:
        The new version.

    Raises:
        UserError: the registered version cannot predict, or predicts another mask; it is tagged broken.
    """
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # no progress bar for six small files
    request = pd.DataFrame([_encoded(predictor, example)])
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / ARTEFACT
        predictor.save(folder)
        logged = mlflow.pyfunc.log_model(
            name=ARTEFACT,
            python_model=str(SERVED),
            artifacts={ARTEFACT: str(folder)},
            code_paths=[str(Path(prn_pipeline.__file__).parent)],
            signature=signature_of(predictor),
            input_example=request,
            pip_requirements=[f"{name}=={version(name)}" for name in REQUIREMENTS],
        )
    made = mlflow.register_model(logged.model_uri, registry.name, tags={"made_by": predictor.settings.made_by})
    address = f"models:/{registry.name}/{made.version}"
    try:
        found = mlflow.pyfunc.load_model(address).predict(request)
        expected = answer(predictor, request)
    except Exception as error:  # any error at all means that the version must not be served
        registry.tag(made, BROKEN, redact(f"{type(error).__name__}: {error}")[:4000])
        raise UserError(f"{address} was registered but cannot predict ({error}): it is tagged broken") from error
    if not found["mask"].equals(expected["mask"]):
        registry.tag(made, BROKEN, "predicts another mask than before registration")
        raise UserError(f"{address} predicts another mask than before registration: it is tagged broken")
    registry.tag(made, DIGEST, predictor.digest)  # only now can `Registry.find` return it
    return registry.version(str(made.version))


def signature_of(predictor: Predictor) -> ModelSignature:
    """The signature of `serving.requests.answer`: encoded files as inputs, masks and their sizes as outputs."""
    inputs: list[ColSpec | TensorSpec] = [
        ColSpec("binary", name, required=needed) for name, needed in columns_of(predictor).items()
    ]
    outputs = [ColSpec("string", "mask"), ColSpec("long", "height"), ColSpec("long", "width")]
    return ModelSignature(
        inputs=Schema(inputs),
        outputs=Schema([*outputs, ColSpec("double", "foreground"), ColSpec("string", "probabilities", required=False)]),
        params=ParamSchema([ParamSpec("probabilities", "boolean", False), ParamSpec("at_own_scale", "boolean", False)]),
    )


def _encoded(predictor: Predictor, item: Item) -> dict[str, bytes]:
    """One row of a request: column -> content of an encoded file."""
    row = {}
    further = iter([one for maps in predictor.further for one in item.further.get(maps, ())])
    for name in columns_of(predictor):
        file = io.BytesIO()
        if name == MAP and item.logits is not None:
            np.save(file, 1 / (1 + np.exp(-item.logits)))
        elif name.startswith(f"{MAP}_") and (logits := next(further, None)) is not None:
            np.save(file, 1 / (1 + np.exp(-logits)))
        elif name == IMAGE and item.image is not None and predictor.settings.bands is not None:
            np.save(file, item.image)
        elif name == IMAGE and item.image is not None:
            Image.fromarray(item.image).save(file, "PNG")
        row[name] = file.getvalue()
    return {name: content for name, content in row.items() if content}
