"""Optimizer and learning-rate schedule of a training."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from prn_pipeline.training.muon import Muon, normalised_kernels
from prn_pipeline.training.settings import TrainingSettings


def build_optimizer(network: nn.Module, settings: TrainingSettings) -> torch.optim.Optimizer:
    """The optimizer of the settings, over those parameters of a network that are trained."""
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    rate, decay = settings.learning_rate, settings.weight_decay
    # fused: one pass over weights and moments, in half the time of foreach on a CPU, which is bound by its memory
    if settings.optimizer == "sgd":
        return torch.optim.SGD(trained, rate, momentum=0.9, nesterov=True, weight_decay=decay, fused=True)
    if settings.optimizer == "muon":
        return Muon(trained, normalised_kernels(network), rate, weight_decay=decay)
    kind = torch.optim.AdamW if settings.optimizer == "adamw" else torch.optim.Adam
    return kind(trained, rate, weight_decay=decay, fused=True)


#: Schedules that are no torch scheduler: `RestoreBestOnPlateau` lowers the rate of a plateau.
WITHOUT_SCHEDULER = ("constant", "plateau")


def build_scheduler(optimizer: torch.optim.Optimizer, settings: TrainingSettings, steps: int) -> LRScheduler:
    """The schedule of the settings, one step per optimizer step.

    Args:
        optimizer: the optimizer whose learning rate changes.
        settings: schedule (none of `WITHOUT_SCHEDULER`), learning rate and warm-up.
        steps: number of optimizer steps of the whole training.
    """
    if settings.schedule == "one_cycle":
        return OneCycleLR(optimizer, settings.learning_rate, total_steps=steps)
    warmup = min(steps - 1, round(settings.warmup_epochs * steps / settings.epochs))
    # torch's SequentialLR of LinearLR and CosineAnnealingLR is the same schedule, but it multiplies rates step by step
    # and so accumulates rounding errors, of about 1e-14 over some thousand steps.
    return LambdaLR(optimizer, lambda step: warmup_cosine(step, warmup, steps))


def warmup_cosine(step: int, warmup: int, steps: int) -> float:
    """Share of the highest learning rate at a step: linear from 1 / (warmup + 1) to 1, then a half cosine towards 0.

    Args:
        step: number of the step, from 0.
        warmup: steps of the linear part, fewer than `steps`.
        steps: number of steps of both parts.
    """
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))
