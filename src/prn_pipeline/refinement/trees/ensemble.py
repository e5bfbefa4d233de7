"""Trees as modules, and the ensemble of one set of trees per fold."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prn_pipeline.errors import UserError
from prn_pipeline.refinement.region_detail.ensemble import FoldEnsemble
from prn_pipeline.refinement.region_detail.inputs import check_models, starting_logits
from prn_pipeline.refinement.region_detail.model import CorrectedMaps
from prn_pipeline.refinement.trees.boosting import Boosted
from prn_pipeline.refinement.trees.context import context_features
from prn_pipeline.refinement.trees.settings import TreesSettings

#: Trees that are evaluated at once where there is no numba kernel: on a GPU and in an exported graph.
AT_ONCE = 25


class Trees(nn.Module):
    """Base logits and further inputs -> corrected logits. Before fitting all corrections are zero.

    Args:
        settings: number and shape of the trees, and their inputs.
    """

    asked: Tensor
    limits: Tensor

    def __init__(self, settings: TreesSettings) -> None:
        super().__init__()
        self.settings = settings
        shape = settings.trees, settings.depth
        self.register_buffer("asked", torch.zeros(shape, dtype=torch.int64))
        self.register_buffer("limits", torch.zeros(shape))
        self.values = nn.Parameter(torch.zeros(settings.trees, 2**settings.depth), requires_grad=False)

    @property
    def arrays(self) -> tuple[str, ...]:
        """Names of the inputs of `forward`, in order; the base logits come first."""
        return self.settings.arrays

    @property
    def sees_whole_maps(self) -> bool:
        """See `RefinerSettings.sees_whole_maps`."""
        return self.settings.sees_whole_maps

    def set(self, boosted: Boosted) -> None:
        """Take over trees that were fitted."""
        self.asked.copy_(torch.from_numpy(boosted.asked))
        self.limits.copy_(torch.from_numpy(boosted.limits))
        self.values.data.copy_(torch.from_numpy(boosted.values))

    def forward(self, base_logits: Tensor, *inputs: Tensor) -> CorrectedMaps:
        """Corrected logits, twice: trees have no second branch.

        Args:
            base_logits: float (N,1,H,W); H and W are multiples of `settings.multiple`.
            inputs: in the order of `arrays`: tta (N,2,H,W), tta_scales (N,1,H,W), images (N,C,H,W),
                several_maps (N,K,H,W).

        Raises:
            UserError: H or W is not such a multiple.
        """
        found = self.correct(*features_and_start(self.settings, base_logits, *inputs))
        return CorrectedMaps(found, found)

    def correct(self, features: Tensor, start: Tensor) -> Tensor:
        """Starting logits (N,1,H,W), corrected for their features (N,F,h,w); float32."""
        return start + stretched(self.correction(features), start)

    def correction(self, features: Tensor) -> Tensor:
        """Sum of all trees for each cell: features float32 (N,F,h,w) -> float32 (N,1,h,w)."""
        number, count, height, width = features.shape
        columns = features.transpose(0, 1).reshape(count, -1)
        if features.device.type == "cpu" and not torch.compiler.is_compiling():
            total = self._by_kernel(columns)
        else:
            total = self._by_torch(columns)
        return total.view(number, 1, height, width)

    def _by_kernel(self, columns: Tensor) -> Tensor:
        # Imported here because loading numba takes a second, and other refiners do without it.
        from prn_pipeline.refinement.trees.kernels import add_trees

        total = torch.zeros(columns.shape[1])
        asked, limits, values = (part.detach().numpy() for part in (self.asked, self.limits, self.values))
        add_trees(columns.detach().contiguous().numpy(), asked, limits, values, total.numpy())
        return total

    def _by_torch(self, columns: Tensor) -> Tensor:
        total = torch.zeros_like(columns[0])
        powers = 2 ** torch.arange(self.settings.depth - 1, -1, -1, device=columns.device)
        for first in range(0, self.settings.trees, AT_ONCE):
            part = slice(first, first + AT_ONCE)
            asked, limits, values = self.asked[part], self.limits[part], self.values[part]
            answers = columns[asked.flatten()] > limits.flatten()[:, None]
            leaves = (answers.unflatten(0, asked.shape) * powers[:, None]).sum(1)  # (trees, pixels)
            total = total + values.gather(1, leaves).sum(0)
        return total


class TreeEnsemble(FoldEnsemble):
    """The mean of the members' corrections under the guard of `FoldEnsemble`.

    Args:
        settings: settings of every member, and the number of members.
    """

    def __init__(self, settings: TreesSettings) -> None:
        super().__init__(settings, lambda: Trees(settings))

    def refined(self, base_logits: Tensor, *inputs: Tensor) -> Tensor:
        """The mean over members, whose features are the same and are computed once."""
        features, start = features_and_start(self.settings, base_logits, *inputs)
        corrections = [cast(Trees, member).correction(features) for member in self.members]
        return start + stretched(torch.stack(corrections).mean(0), start)


def features_and_start(settings: TreesSettings, base_logits: Tensor, *inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Features of each cell (`context_features`), and the logits that are corrected; both float32.

    Raises:
        UserError: wrong number of inputs or of models, or H or W is not a multiple of `settings.multiple`.
    """
    if len(inputs) != len(settings.arrays) - 1:
        raise UserError(
            f"this refiner reads {', '.join(settings.arrays)}, in this order, but was given {1 + len(inputs)} inputs:"
            " pass all of them, or train a refiner with other `inputs`"
        )
    if any(side % settings.multiple for side in base_logits.shape[-2:]):
        raise UserError(
            f"maps are {base_logits.shape[-2]} x {base_logits.shape[-1]}; this refiner needs multiples of"
            f" {settings.multiple}: choose another image_size, or pad the maps"
        )
    named: dict[str, Any] = dict(zip(settings.arrays[1:], inputs, strict=True))
    check_models(named, settings.several_maps_channels)
    with torch.autocast(base_logits.device.type, enabled=False):  # questions are about exact values
        base = base_logits.float()
        return context_features(base, named, settings.stride), starting_logits(base, named)


def stretched(correction: Tensor, start: Tensor) -> Tensor:
    """A correction per cell, interpolated to the size of the map."""
    if correction.shape[-2:] == start.shape[-2:]:
        return correction
    return F.interpolate(correction, size=start.shape[-2:], mode="bilinear", align_corners=False)
