"""How far two forms of the network are from each other."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from benchmarks.prn_workload import Workload
from prn_pipeline.refinement import prn_loss


def relative_error(found: Tensor, expected: Tensor) -> float:
    """Root mean square of the difference over the standard deviation of what is expected."""
    difference = (found.double() - expected.double()).square().mean().sqrt()
    return float(difference / expected.double().std())


def gradient_error(network: nn.Module, other: nn.Module, work: Workload) -> float:
    """Norm of the difference of all gradients over their norm; float32, batch norm in eval mode.

    Args:
        network: the parameters' owner.
        other: another form that applies the same parameters.
        work: maps and labels.
    """

    def gradients(form: nn.Module) -> Tensor:
        loss = prn_loss(form.eval()(work.maps), work.labels, work.labels)
        found = torch.autograd.grad(loss, list(network.parameters()), allow_unused=False)
        return torch.cat([gradient.flatten().double() for gradient in found])

    expected = gradients(other)
    return float((gradients(network) - expected).norm() / expected.norm())
