"""The precision follows the hardware unless the settings choose one."""

import torch

from prn_pipeline.training.precision import autocast, best_device, lightning_precision, multiplies_bf16


def test_auto_precision_follows_the_hardware() -> None:
    device = torch.device("cpu")
    assert lightning_precision("fp32", device) == "32-true"
    assert lightning_precision("bf16", device) == "bf16-mixed"
    assert (lightning_precision("auto", device) == "bf16-mixed") == multiplies_bf16(device)
    assert best_device("cpu") == device
    with autocast(device, "bf16"):
        assert (torch.ones(4, 4) @ torch.ones(4, 4)).dtype == torch.bfloat16
