"""Weights that were trained elsewhere, read without ever running code from the file."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from prn_pipeline.errors import UserError

#: Under which names checkpoints keep the weights beside other things.
WITHIN = ("state_dict", "model_state_dict", "model", "weights")
#: What wrappers put before every name: DataParallel, torch.compile.
PREFIXES = ("module.", "_orig_mod.")
NAMED = 3


def load_weights(network: nn.Module, path: str, sha256: str | None) -> None:
    """Load a safetensors or torch file, of which only tensors are read, into `network`.

    Args:
        network: gets the weights.
        path: from the working folder.
        sha256: what the file must have, in hex, or None.

    Raises:
        UserError: no such file, another file than was meant, or other weights than the network has.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise UserError(
            f"no weights at {file.absolute()}: correct `weights` of the base model, or null: random weights"
        )
    if sha256 is not None and (found := _digest(file)) != sha256:
        raise UserError(
            f"{file} has sha256 {found}, expected {sha256}: it is another file; correct `sha256` or restore it"
        )
    try:
        stored = load_file(file) if file.suffix == ".safetensors" else torch.load(file, "cpu", weights_only=True)
    except Exception as error:  # two libraries' ways to say no
        raise UserError(
            f"{file} holds no weights that can be read safely ({type(error).__name__}: {str(error).splitlines()[0]}):"
            " save model.state_dict() with safetensors or torch.save"
        ) from error
    expected = network.state_dict()
    weights = _unwrapped(_plain(stored, file), set(expected))
    problems = [
        *_listed("missing", [name for name in expected if name not in weights]),
        *_listed("unknown", [name for name in weights if name not in expected]),
        *_listed(
            "of another shape",
            [
                f"{name} {tuple(weights[name].shape)} for {tuple(tensor.shape)}"
                for name, tensor in expected.items()
                if name in weights and weights[name].shape != tensor.shape
            ],
        ),
    ]
    if problems:
        raise UserError(
            f"{file} has other weights than the network: {'; '.join(problems)}. Correct `options` or `weights`"
        )
    network.load_state_dict(weights)


def _plain(stored: Any, file: Path) -> dict[str, Tensor]:
    for name in WITHIN:
        if isinstance(stored, dict) and isinstance(stored.get(name), dict):
            stored = stored[name]
            break
    if not isinstance(stored, dict) or not all(isinstance(value, Tensor) for value in stored.values()):
        raise UserError(f"{file} is not a dict of tensors: save model.state_dict() alone")
    return stored


def _unwrapped(weights: dict[str, Tensor], expected: set[str]) -> dict[str, Tensor]:
    """Without what wrappers put before names, unless the network has it itself."""
    while weights and not expected & set(weights):
        prefix = next((one for one in PREFIXES if all(name.startswith(one) for name in weights)), None)
        if prefix is None:
            break
        weights = {name.removeprefix(prefix): tensor for name, tensor in weights.items()}
    return weights


def _listed(what: str, names: list[str]) -> list[str]:
    more = ", ..." if len(names) > NAMED else ""
    return [f"{len(names)} {what} ({', '.join(names[:NAMED])}{more})"] if names else []


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
