"""Choice of device and floating-point precision."""

from __future__ import annotations

from typing import Literal

import torch

LightningPrecision = Literal["32-true", "bf16-mixed"]


def lightning_precision(precision: Literal["auto", "fp32", "bf16"], device: torch.device) -> LightningPrecision:
    """Lightning's name for the precision; `auto` is bf16 exactly if `multiplies_bf16`."""
    if precision == "auto":
        precision = "bf16" if multiplies_bf16(device) else "fp32"
    return "bf16-mixed" if precision == "bf16" else "32-true"


def multiplies_bf16(device: torch.device) -> bool:
    """Whether the hardware multiplies bf16 natively: AMX or AVX512-BF16 on a CPU, Ampere or later on a GPU."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu":
        return False
    probes = (getattr(torch.cpu, name, None) for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"))
    return any(probe() for probe in probes if probe is not None)


def autocast(device: torch.device, precision: Literal["auto", "fp32", "bf16"] = "auto") -> torch.autocast:
    """Autocast context for inference, with the precision that training would choose."""
    enabled = lightning_precision(precision, device) == "bf16-mixed"
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=enabled)


def best_device(accelerator: Literal["auto", "cpu", "gpu"] = "auto") -> torch.device:
    """The first GPU if there is one and `accelerator` allows it, otherwise the CPU."""
    return torch.device("cuda" if accelerator != "cpu" and torch.cuda.is_available() else "cpu")
