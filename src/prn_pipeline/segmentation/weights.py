"""Weights that were trained elsewhere, read without running code from the file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor, nn

from prn_pipeline.errors import UserError, counted
from prn_pipeline.training.foreign_checkpoints import read_checkpoint
from prn_pipeline.training.weight_names import MismatchError, log_unused, match_weights


def load_weights(network: nn.Module, path: str, sha256: str | None, ignored: Sequence[str] = ()) -> None:
    """Load the tensors of a safetensors or torch file into `network`.

    The names in the file may have a prefix that training programs add, and the file may hold more than the weights.

    Args:
        network: network that gets the weights.
        path: path of the file, relative to the working folder.
        sha256: expected digest of the file, in hex; None for no check.
        ignored: shell patterns of addresses in the file that are not read.

    Raises:
        UserError: no such file, a different digest, or weights that do not match the network or are not finite.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise UserError(
            f"no weights at {file.absolute()}: correct `weights` of the base model, or set null for random weights"
        )
    if sha256 is not None and (found := _digest(file)) != sha256:
        raise UserError(f"{file} has sha256 {found}, expected {sha256}: correct `sha256`, or restore the file")
    checkpoint, expected = read_checkpoint(file).without(ignored), network.state_dict()
    try:
        match, others = match_weights(checkpoint, expected)
    except MismatchError as error:
        raise UserError(
            f"the weights in {file} do not match the network: {error}. Correct `options` or `weights`, or list what the"
            " network does without in `ignore_weights`, such as [teacher.*]"
        ) from error
    _require_finite(match.weights, file)
    network.load_state_dict({**expected, **match.weights})
    log_unused(str(file), match, others)


def _require_finite(weights: Mapping[str, Tensor], file: Path) -> None:
    damaged = [name for name, tensor in weights.items() if tensor.is_floating_point() and not tensor.isfinite().all()]
    if damaged:
        others = f" and {counted(len(damaged) - 1, 'other tensor')}" if len(damaged) > 1 else ""
        raise UserError(
            f"{file}: {damaged[0]}{others} {'hold' if others else 'holds'} NaN or infinity, so maps would be NaN. Save"
            " the weights of a training that did not diverge"
        )


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
