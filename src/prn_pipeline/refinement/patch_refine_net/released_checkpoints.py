"""Checkpoints under the key names the authors released, read into a `PatchRefineNet` and written back."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from prn_pipeline.errors import UserError
from prn_pipeline.refinement.patch_refine_net.grid_cells import RELEASED_GRID
from prn_pipeline.refinement.patch_refine_net.model import PatchRefineNet

#: Names per kind of mismatch that one error lists.
MAX_LISTED = 10

# Ours -> released, in this order. Released names count stages from 1 at full resolution, decoder steps from 3 to 1.
_RENAMES: list[tuple[str, str]] = [
    (r"^pyramid\.projections\.(\d)\.", r"encoding.psp.stages.\1.1."),
    (r"^pyramid\.", r"encoding.psp."),
    (r"^(global|local)_branch\.head\.", r"out_\1.0."),
    (r"\.project\.", ".Conv_1x1."),
    (r"\.units\.(\d)\.conv\.", r".RCNN.\1.conv.0."),
    (r"\.units\.(\d)\.norms\.0\.", r".RCNN.\1.conv.1."),
    (r"\.up\.conv\.", ".Up.up.1."),
    (r"\.up\.norm\.", ".Up.up.2."),
    (r"\.gate\.decoded\.", ".Attn.W_g."),
    (r"\.gate\.skip\.", ".Attn.W_x."),
    (r"\.gate\.score\.", ".Attn.psi."),
    (r"\.block\.", ".Up_Conv."),
]


def published_name(name: str) -> str:
    """Our state-dict key -> the released one: `global_branch.steps.0.up.norm.bias` -> `decode3_global.Up...`."""
    name = re.sub(r"^encoder\.(\d)\.", lambda stage: f"encoding.RRCNN{int(stage[1]) + 1}.", name)
    name = re.sub(r"^(global|local)_branch\.steps\.(\d)\.", lambda m: f"decode{3 - int(m[2])}_{m[1]}.", name)
    for ours, released in _RENAMES:
        name = re.sub(ours, released, name)
    return name


def to_published(model: PatchRefineNet) -> dict[str, Tensor]:
    """The model's state dict under released names, for the authors' code or for `load_published`."""
    return {published_name(name): value for name, value in model.state_dict().items()}


def load_published(path: str | Path, grid: int | None = None) -> PatchRefineNet:
    """Read a checkpoint with released key names.

    Args:
        path: `.safetensors`, or a PyTorch file (`.th`, `.pt`, `.pth`), which is read without running pickled code. The
            state dict may be nested under "state_dict", and its keys may all have the prefix "module.".
        grid: grid cells per side of the local branch, which the weights do not determine. None means 8 (P64) for a
            file with a local branch and 0 (P0) for a file without; pass 4 for the released P4.

    Returns:
        The model in eval mode, on the CPU, in float32; P64 with `upstream_bug`, which its weights were trained with.

    Raises:
        UserError: no such file, not a readable checkpoint, or the names or shapes are not those of a PatchRefineNet.
    """
    path = Path(path)
    released = _read(path)
    has_local = any(name.startswith("out_local.") for name in released)
    grid = (RELEASED_GRID if has_local else 0) if grid is None else grid
    first, head = (released.get(n) for n in ("encoding.RRCNN1.Conv_1x1.weight", "out_global.0.weight"))
    upstream_bug = grid == RELEASED_GRID
    if first is not None and head is not None and first.ndim == 4 and head.ndim == 4:
        width, in_channels = first.shape[:2]
        model = PatchRefineNet(width, grid, in_channels, head_kernel=head.shape[-1], upstream_bug=upstream_bug)
    else:
        model = PatchRefineNet(grid=grid, upstream_bug=upstream_bug)
    ours = model.state_dict()
    names = {published_name(name): name for name in ours}
    problems = _differences({published: ours[name] for published, name in names.items()}, released)
    if problems:
        raise UserError(
            f"{path} is not a published PatchRefineNet with grid={grid}: {problems}. Use a checkpoint of the released "
            "P0, P4 or P64, or pass the grid it was trained with"
        )
    model.load_state_dict({names[name]: value for name, value in released.items()})
    return model.eval()


def _differences(expected: dict[str, Tensor], found: dict[str, Tensor]) -> str:
    shapes = [
        f"{name} is {tuple(found[name].shape)}, expected {tuple(expected[name].shape)}"
        for name in sorted(expected.keys() & found.keys())
        if expected[name].shape != found[name].shape
    ]
    differences = {
        "missing": sorted(expected.keys() - found.keys()),
        "unexpected": sorted(found.keys() - expected.keys()),
        "of another shape": shapes,
    }
    return "; ".join(f"{len(names)} {what}: {_listed(names)}" for what, names in differences.items() if names)


def _listed(names: list[str]) -> str:
    more = len(names) - MAX_LISTED
    return ", ".join(names[:MAX_LISTED]) + (f" and {more} more" if more > 0 else "")


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise UserError(f"no checkpoint at {path}: expected a .safetensors or .th file; check the path")
    try:
        if path.suffix == ".safetensors":
            content: object = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, KeyError, ValueError) as error:
        raise UserError(
            f"{path} cannot be read as a checkpoint ({error}); expected safetensors or a plain PyTorch state dict: "
            "save the model again with torch.save(model.state_dict(), path)"
        ) from error
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise UserError(
            f"{path} holds a {type(content).__name__} that is not a state dict of tensors: save model.state_dict()"
        )
    wrapped = bool(content) and all(name.startswith("module.") for name in content)
    return {name.removeprefix("module.") if wrapped else name: value for name, value in content.items()}
