"""Checkpoints under the key names the authors released, read into a `PatchRefineNet` and written back."""

from __future__ import annotations

import re
from pathlib import Path

from torch import Tensor

from prn_pipeline.errors import UserError
from prn_pipeline.refinement.patch_refine_net.grid_cells import RELEASED_GRID
from prn_pipeline.refinement.patch_refine_net.model import PatchRefineNet
from prn_pipeline.training.foreign_checkpoints import read_checkpoint
from prn_pipeline.training.weight_names import MismatchError, listed, log_unused, match_weights

#: Cells a side of the released P4, whose heads have names of their own.
P4_GRID = 4
#: Names of heads: of P0 and P64, and of P4.
HEADS, P4_HEADS = "out_", "conv_last_"
#: First letters of every name in a released file.
RELEASED = ("encoding.", "decode", HEADS, P4_HEADS)

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
    heads = P4_HEADS if model.grid == P4_GRID else HEADS
    return {_with_heads(published_name(name), heads): value for name, value in model.state_dict().items()}


def load_published(path: str | Path, grid: int | None = None) -> PatchRefineNet:
    """Read a checkpoint with released key names.

    Args:
        path: `.safetensors`, or a PyTorch file (`.th`, `.pt`, `.pth`), which is read without running pickled code. The
            state dict may be nested, as under "state_dict", and its keys may all have a prefix such as "module.".
        grid: grid cells per side of the local branch, which the weights do not determine. None decides by the names
            of the heads: 4 where they are those of P4, 8 for another file with a local branch (P64), 0 without (P0).

    Returns:
        The model in eval mode, on the CPU, in float32; P64 with `upstream_bug`, which its weights were trained with.

    Raises:
        UserError: no such file, not a readable checkpoint, or the names or shapes are not those of a PatchRefineNet.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"no checkpoint at {path}: expected a .safetensors or .th file; check the path")
    checkpoint = read_checkpoint(path)
    addresses = checkpoint.tensors
    heads = P4_HEADS if any(f".{P4_HEADS}" in f".{address}" for address in addresses) else HEADS
    if grid is None:
        has_local = any(f".{heads}local." in f".{address}" for address in addresses)
        grid = (P4_GRID if heads == P4_HEADS else RELEASED_GRID) if has_local else 0
    upstream_bug = grid == RELEASED_GRID and heads == HEADS
    first, head = (
        next((tensor for address, tensor in addresses.items() if f".{address}".endswith(f".{name}")), None)
        for name in ("encoding.RRCNN1.Conv_1x1.weight", f"{heads}global.0.weight")
    )
    if first is not None and head is not None and first.ndim == 4 and head.ndim == 4:
        width, in_channels = first.shape[:2]
        model = PatchRefineNet(width, grid, in_channels, head_kernel=head.shape[-1], upstream_bug=upstream_bug)
    else:
        model = PatchRefineNet(grid=grid, upstream_bug=upstream_bug)
    ours = model.state_dict()
    names = {_with_heads(published_name(name), heads): name for name in ours}
    try:
        match, others = match_weights(checkpoint, {published: ours[name] for published, name in names.items()})
        left_out = (address.removeprefix(match.prefix) for address in match.left_out)
        if unexpected := [name for name in left_out if name.startswith(RELEASED)]:
            raise MismatchError(f"{len(unexpected)} unexpected: {listed(unexpected)}")
    except MismatchError as error:
        raise UserError(
            f"{path} is not a published PatchRefineNet with grid={grid}: {error}. Use a checkpoint of the released "
            "P0, P4 or P64, or pass the grid it was trained with"
        ) from error
    log_unused(str(path), match, others)
    model.load_state_dict(ours | {names[published]: value for published, value in match.weights.items()})
    return model.eval()


def _with_heads(name: str, heads: str) -> str:
    return re.sub(f"^{HEADS}(?=global|local)", heads, name)
