"""Weights that were trained elsewhere, read without running code from the file."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from prn_pipeline.errors import UserError

#: Keys under which checkpoints nest the weights.
NESTED_KEYS = ("state_dict", "model_state_dict", "model", "weights")
#: Prefixes that wrappers add to every name: DataParallel, torch.compile.
PREFIXES = ("module.", "_orig_mod.")
#: Names per kind of mismatch that one error lists.
MAX_LISTED = 3


def load_weights(network: nn.Module, path: str, sha256: str | None) -> None:
    """Load the tensors of a safetensors or torch file into `network`.

    Args:
        network: network that gets the weights.
        path: path of the file, relative to the working folder.
        sha256: expected digest of the file, in hex; None for no check.

    Raises:
        UserError: no such file, a different digest, or weights that do not match the network.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise UserError(
            f"no weights at {file.absolute()}: correct `weights` of the base model, or set null for random weights"
        )
    if sha256 is not None and (found := _digest(file)) != sha256:
        raise UserError(f"{file} has sha256 {found}, expected {sha256}: correct `sha256`, or restore the file")
    try:
        stored = load_file(file) if file.suffix == ".safetensors" else torch.load(file, "cpu", weights_only=True)
    except Exception as error:  # safetensors and torch raise many types
        raise UserError(
            f"{file} has no weights that can be read safely ({type(error).__name__}: {str(error).splitlines()[0]}):"
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
            f"the weights in {file} do not match the network: {'; '.join(problems)}. Correct `options` or `weights`"
        )
    network.load_state_dict(weights)


def _plain(stored: Any, file: Path) -> dict[str, Tensor]:
    for key in NESTED_KEYS:
        if isinstance(stored, dict) and isinstance(stored.get(key), dict):
            stored = stored[key]
            break
    if not isinstance(stored, dict) or not all(isinstance(value, Tensor) for value in stored.values()):
        raise UserError(f"{file} is not a dict of tensors: save only model.state_dict()")
    return stored


def _unwrapped(weights: dict[str, Tensor], expected: set[str]) -> dict[str, Tensor]:
    """Weights without the prefixes of wrappers, unless the network itself has them."""
    while weights and not expected & set(weights):
        prefix = next((known for known in PREFIXES if all(name.startswith(known) for name in weights)), None)
        if prefix is None:
            break
        weights = {name.removeprefix(prefix): tensor for name, tensor in weights.items()}
    return weights


def _listed(mismatch: str, names: list[str]) -> list[str]:
    more = ", ..." if len(names) > MAX_LISTED else ""
    return [f"{len(names)} {mismatch} ({', '.join(names[:MAX_LISTED])}{more})"] if names else []


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
