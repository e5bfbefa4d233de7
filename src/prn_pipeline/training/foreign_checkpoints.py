"""Checkpoints of other programs: their tensors by address, read without running code from the file."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
import torch
from numpy._core.multiarray import _reconstruct as rebuilt
from numpy._core.multiarray import scalar
from safetensors.torch import load_file
from torch import Tensor

from prn_pipeline.errors import UserError

#: Levels of nested dicts that are searched for tensors.
MAX_DEPTH = 5
#: Plain data beside the weights of many checkpoints, which PyTorch refuses by default: numbers, paths,
#: parsed arguments. A pair gives the name under which other versions or systems write a type.
PLAIN_TYPES: list[Any] = [
    argparse.Namespace,
    np.dtype,
    np.ndarray,
    *(type(np.dtype(code)) for code in "?bBhHiIlLqQefdSU"),
    *((made, f"numpy.{core}.multiarray.{made.__name__}") for core in ("core", "_core") for made in (scalar, rebuilt)),
    *((PurePosixPath, f"pathlib{part}.{name}PosixPath") for part in ("", "._local") for name in ("", "Pure")),
    *((PureWindowsPath, f"pathlib{part}.{name}WindowsPath") for part in ("", "._local") for name in ("", "Pure")),
]
EXPORT = (
    "If you trust its origin, export the weights once, where the program that wrote it is installed: python -c"
    " \"import torch; c = torch.load('{file}', map_location='cpu', weights_only=False); c = c.get('state_dict', c) if"
    " isinstance(c, dict) else c.state_dict(); torch.save(c, 'weights.pt')\", and name weights.pt here"
)
EXPORT_SCRIPT = (
    "Export its weights once: python -c \"import torch; torch.save(torch.jit.load('{file}', 'cpu').state_dict(),"
    " 'weights.pt')\", and name weights.pt here"
)


@dataclass(frozen=True)
class Checkpoint:
    """Tensors of a file, whatever dicts they lie in.

    Attributes:
        tensors: by address: keys of the nested dicts, joined by dots, such as `state_dict.model.head.weight`.
        sections: addresses of the dicts that hold tensors, each empty or with a dot at its end.
    """

    tensors: dict[str, Tensor]
    sections: tuple[str, ...]

    def without(self, patterns: Sequence[str]) -> Checkpoint:
        """The checkpoint without the tensors whose address matches one of these shell patterns."""
        kept = {
            address: tensor
            for address, tensor in self.tensors.items()
            if not any(fnmatchcase(address, pattern) for pattern in patterns)
        }
        return Checkpoint(kept, self.sections)


def read_checkpoint(file: Path) -> Checkpoint:
    """Read a `.safetensors` file, or what `torch.save` wrote: tensors in dicts, which may be nested.

    Raises:
        UserError: the file is damaged, holds no tensors, or can only be read by running code that it contains.
    """
    try:
        if file.suffix == ".safetensors":
            stored: Any = load_file(file)
        else:
            with torch.serialization.safe_globals(PLAIN_TYPES):
                stored = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # safetensors and torch raise many types
        raise UserError(_unreadable(file, error)) from error
    tensors: dict[str, Tensor] = {}
    sections: list[str] = []
    _collect(stored, "", MAX_DEPTH, tensors, sections)
    if not tensors:
        raise UserError(
            f"{file} holds a {type(stored).__name__} that is not a state dict of tensors: save model.state_dict()"
        )
    return Checkpoint(tensors, tuple(sections))


def _collect(stored: Any, section: str, depth: int, tensors: dict[str, Tensor], sections: list[str]) -> None:
    if not isinstance(stored, dict) or not depth:
        return
    if any(isinstance(value, Tensor) for value in stored.values()):
        sections.append(section)
    for key, value in stored.items():
        if isinstance(value, Tensor):
            tensors[f"{section}{key}"] = value.detach()
        else:
            _collect(value, f"{section}{key}.", depth - 1, tensors, sections)


def _unreadable(file: Path, error: Exception) -> str:
    text = str(error)
    found = f"{file} cannot be read as a checkpoint: it has no weights that can be read safely"
    if code := re.search(r"(?:GLOBAL|class|module) `?([\w.]+)`? (?:was|must|is)", text):
        return f"{found}, because reading {code[1]} may run code from the file. {EXPORT.format(file=file)}"
    if "TorchScript" in text:
        return f"{found}, because it is a TorchScript archive. {EXPORT_SCRIPT.format(file=file)}"
    _, _, detail = text.partition("WeightsUnpickler error:")
    reason = (detail.strip() or text).partition("\n")[0] or "it is empty"
    return (
        f"{found} ({type(error).__name__}: {reason}). Restore the file, or save model.state_dict() again with"
        " safetensors or torch.save"
    )
