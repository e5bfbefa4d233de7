"""A trained module as two files: its weights, without pickle, and the settings to rebuild it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar

from safetensors.torch import load, save_file
from torch import Tensor

from prn_pipeline.data.store.atomic import atomic_write
from prn_pipeline.data.store.json_files import read_json, write_json
from prn_pipeline.errors import UserError
from prn_pipeline.layout.addresses import ADDRESS, check_address
from prn_pipeline.layout.origins import rerun

#: Schema of the JSON file; increased whenever names of settings or weights change.
SCHEMA = 2
#: Characters of an error of another library that a message quotes.
MAX_REASON = 300


class StoredModule(Protocol):
    """A `torch.nn.Module`, or anything else with named weights, possibly none."""

    def state_dict(self) -> dict[str, Any]:
        """Weights by name."""
        ...

    def load_state_dict(self, state_dict: dict[str, Tensor], /) -> Any:
        """Load weights by name."""
        ...

    def parameters(self) -> Iterable[Tensor]:
        """The trained weights."""
        ...

    def eval(self) -> Any:
        """Switch to inference; return the module itself."""
        ...


Stored = TypeVar("Stored", bound=StoredModule)


def save_module(
    path: Path, module: StoredModule, settings: dict[str, Any], recorded: Mapping[str, str] | None = None
) -> None:
    """Write `path` (safetensors) and, next to it, a `.json` file with the settings and the digest of the weights.

    Args:
        path: the safetensors file.
        module: trained module.
        settings: to rebuild it.
        recorded: its address, if it must not be read at another one; see `layout.addresses`.
    """
    # cloned, because safetensors rejects layers that share their weights
    weights = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in module.state_dict().items()}
    with atomic_write(path) as temporary:
        save_file(weights, temporary)
        digest = hashlib.sha256(temporary.read_bytes()).hexdigest()
    described = {
        "schema": SCHEMA,
        "class": type(module).__name__,
        "settings": settings,
        "parameters": sum(parameter.numel() for parameter in module.parameters()),
        "weights_sha256": digest,
        **(recorded or {}),
    }
    write_json(path.with_suffix(".json"), dict(sorted(described.items())))


def weights_digest(module: StoredModule) -> str:
    """sha256 over names and values of the weights, which identifies a model."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def load_module(path: Path, rebuild: Callable[[dict[str, Any]], Stored]) -> Stored:
    """Read what `save_module` wrote.

    Args:
        path: the safetensors file.
        rebuild: builds the untrained module from its settings.

    Returns:
        The module on the CPU, in eval mode.

    Raises:
        UserError: a file is missing or damaged, has another schema, or belongs to other weights.
    """
    description = path.with_suffix(".json")
    for file in (path, description):
        if not file.is_file():
            raise UserError(f"there is no trained model at {file}: {rerun(path)}")
    described = read_json(description, f"delete both and train again: {rerun(path)}")
    if (schema := described.get("schema", 1)) != SCHEMA:
        raise UserError(
            f"{description} has schema {schema}, expected {SCHEMA}: another version wrote it; train again:"
            f" {rerun(path)}"
        )
    check_address(path, described.get(ADDRESS))
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != described.get("weights_sha256"):
        raise UserError(
            f"{path} does not hold the weights that {description} describes: restore both, or delete both and train"
            f" again: {rerun(path)}"
        )
    weights = load(data)
    try:
        module = rebuild(described["settings"])
        module.load_state_dict(weights)
    except (
        KeyError,
        TypeError,
        ValueError,
        RuntimeError,
    ) as error:  # of pydantic and torch: settings that were changed
        reason = f"no {error}" if isinstance(error, KeyError) else " ".join(str(error).split())[:MAX_REASON]
        raise UserError(
            f"the module that {description} describes cannot be built, or does not take the weights beside it:"
            f" {reason}. Restore both, or delete both and train again: {rerun(path)}"
        ) from error
    module.eval()
    return module
