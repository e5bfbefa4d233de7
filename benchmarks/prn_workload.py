"""PatchRefineNet with something to do: maps, labels, and the steps that are timed on any device."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.example_maps import example_maps
from prn_pipeline.refinement import PatchRefineNet, RefinedMaps, prn_loss
from prn_pipeline.refinement.patch_refine_net.folded import fold_for_inference
from prn_pipeline.training.allocator import keep_freed_memory
from prn_pipeline.training.precision import autocast, multiplies_bf16

GRID = 8


@dataclass(frozen=True)
class Workload:
    """A network with random weights, probability maps (N,1,S,S) float32 and labels (N,S,S) uint8 on its device."""

    network: PatchRefineNet
    maps: Tensor
    labels: Tensor


def workload(width: int, size: int, device: torch.device, batch: int = 1) -> Workload:
    """The same weights and maps for the same arguments."""
    torch.manual_seed(0)
    network = PatchRefineNet(width, GRID).to(device)
    maps, masks = (torch.from_numpy(array).to(device) for array in example_maps(batch, size))
    return Workload(network, maps[:, None], masks)


def inference_form(network: PatchRefineNet) -> PatchRefineNet:
    """The network as the pipeline runs it on new maps: folded, in bf16 where the hardware multiplies it."""
    device = next(network.parameters()).device
    if device.type == "cpu":
        keep_freed_memory()
    return fold_for_inference(network, torch.bfloat16 if multiplies_bf16(device) else torch.float32)


def compiled(form: nn.Module, mode: str = "default") -> nn.Module:
    """The form through torch.compile; it compiles at its first call."""
    return cast(nn.Module, torch.compile(form, mode=mode))


def inference_step(form: nn.Module, work: Workload, fp32: bool = False) -> Callable[[], RefinedMaps]:
    """One forward pass over the maps, with the pipeline's autocast unless `fp32`."""
    form.eval()

    def step() -> RefinedMaps:
        with torch.inference_mode(), _precision(work, fp32):
            return form(work.maps)

    return step


def training_step(form: nn.Module, work: Workload, fp32: bool = False) -> Callable[[], None]:
    """Forward, the paper's loss, backward; channels-last and with the pipeline's autocast unless `fp32`.

    The network is put into training mode at every call, so steps of several kinds can share it.
    """
    if not fp32:
        form.to(memory_format=torch.channels_last)

    def step() -> None:
        form.train()
        with _precision(work, fp32):
            loss = prn_loss(form(work.maps), work.labels, work.labels)
        loss.backward()
        form.zero_grad(set_to_none=True)

    return step


def _precision(work: Workload, fp32: bool) -> torch.autocast | nullcontext[None]:
    return nullcontext() if fp32 else autocast(work.maps.device)


def operations(work: Workload, training: bool) -> int:
    """Floating-point operations of one step, counted without running it (on shapes alone)."""
    network = PatchRefineNet(**work.network.settings).to("meta").train(training)  # type: ignore[arg-type]
    maps = torch.empty(work.maps.shape, device="meta")
    with FlopCounterMode(display=False) as counter:
        refined = network(maps)
        if training:
            assert refined.local_logits is not None
            (refined.global_logits + refined.local_logits).sum().backward()
    return int(counter.get_total_flops())
