"""Muon: momentum whose singular values are all about one, for convolutions trained in few steps.

K. Jordan et al., Muon: an optimizer for hidden layers in neural networks (2024). AdamW scales the gradient of each
weight; Muon scales the directions of a whole kernel, so that rare ones move as far as common ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

#: Coefficients of the quintic x -> a x + b x^3 + c x^5, which sends singular values in (0, 1] towards 0.7 .. 1.2.
QUINTIC = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5
#: Most rows of a matrix. Kernels with more output channels are divided, which takes less time (docs/experiments.md).
ROWS = 256
#: Root mean square of the change of a weight, in learning rates; that of AdamW is about the same. The small U-Net
#: learned best at three times AdamW's rate (docs/experiments.md).
CHANGE = 0.2


class Muon(torch.optim.Optimizer):
    """Muon for some kernels, AdamW for all other weights.

    Args:
        parameters: weights to train.
        kernels: those of them, (out, in, h, w), that Muon trains; others in this list are ignored.
        lr: learning rate, of the scale of AdamW's.
        weight_decay: decoupled from the gradient, for all weights.
        betas: decay of the mean of gradients, and (AdamW) of their squares.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        kernels: Iterable[Tensor],
        lr: float,
        weight_decay: float = 0.0,
        betas: tuple[float, float] = (0.95, 0.99),
    ) -> None:
        chosen, given = {id(kernel) for kernel in kernels}, list(parameters)
        groups: list[dict[str, Any]] = [
            {"params": [weight for weight in given if (id(weight) in chosen) is muon], "muon": muon}
            for muon in (True, False)
        ]
        defaults = {"lr": lr, "weight_decay": weight_decay, "betas": betas}
        super().__init__([group for group in groups if group["params"]], defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step; the closure, if given, computes the gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
            (self._muon if group["muon"] else self._adam)(weights, group["lr"], group["betas"])
        return loss

    def _muon(self, kernels: list[Tensor], rate: float, betas: tuple[float, float]) -> None:
        for _, same in groupby(sorted(kernels, key=_shape), key=_shape):
            alike = list(same)
            means = [self._state(kernel, "mean") for kernel in alike]
            gradients = [gradient for kernel in alike if (gradient := kernel.grad) is not None]
            torch._foreach_lerp_(means, gradients, 1 - betas[0])
            looking_ahead = torch._foreach_lerp(gradients, means, betas[0])  # Nesterov's momentum
            stacked = torch.stack([change.flatten(1) for change in looking_ahead])
            changes = orthogonalized(stacked.view(-1, _rows_of_block(stacked.shape[1]), stacked.shape[2]))
            scale = CHANGE * max(changes.shape[1:]) ** 0.5
            by_kernel = changes.view(len(alike), *_shape(alike[0]))
            torch._foreach_add_(alike, list(by_kernel), alpha=-rate * scale)

    def _adam(self, weights: list[Tensor], rate: float, betas: tuple[float, float]) -> None:
        means, squares, steps = (
            [self._state(weight, name) for weight in weights] for name in ("mean", "square", "step")
        )
        adamw(
            weights,
            [gradient for weight in weights if (gradient := weight.grad) is not None],
            means,
            squares,
            [],
            steps,
            foreach=True,
            amsgrad=False,
            maximize=False,
            lr=rate,
            beta1=betas[0],
            beta2=betas[1],
            weight_decay=0.0,  # `step` has applied it
            eps=1e-8,
        )

    def _state(self, weight: Tensor, name: str) -> Tensor:
        state = self.state[weight]
        if name not in state:
            state[name] = torch.zeros(()) if name == "step" else torch.zeros_like(weight)
        found: Tensor = state[name]
        return found


def normalised_kernels(network: nn.Module) -> list[Tensor]:
    """Kernels of convolutions without a bias, which a batch norm follows, so that only their direction matters."""
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    return [convolution.weight for convolution in convolutions if convolution.bias is None]


def orthogonalized(matrices: Tensor) -> Tensor:
    """Matrices with the same singular vectors and with singular values near one, float32 (N,r,c) like `matrices`.

    Newton and Schulz's iteration of the authors, X -> (a + b XX' + c XX'XX') X, computed for the product of its factors
    and for XX' alone, which are square and much smaller than the flat kernel of a convolution.
    """
    wide = matrices if matrices.shape[1] <= matrices.shape[2] else matrices.mT
    wide = wide / wide.norm(dim=(1, 2), keepdim=True).clamp_min(1e-7)
    gram = wide @ wide.mT
    product = factor = _quintic_factor(gram)
    for _ in range(ITERATIONS - 1):
        gram = factor @ gram @ factor
        factor = _quintic_factor(gram)
        product = factor @ product
    found = product @ wide
    return found if matrices.shape[1] <= matrices.shape[2] else found.mT


def _quintic_factor(gram: Tensor) -> Tensor:
    """The a + b XX' + c XX'XX' of one iteration, from XX' (N,r,r)."""
    a, b, c = QUINTIC
    factor = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
    factor.diagonal(dim1=1, dim2=2).add_(a)
    return factor


def _rows_of_block(rows: int) -> int:
    """Rows of equal blocks of at most `ROWS`; all of them if there are no such blocks."""
    blocks = -(-rows // ROWS)
    return rows if rows % blocks else rows // blocks


def _shape(weight: Tensor) -> tuple[int, ...]:
    return tuple(weight.shape)
