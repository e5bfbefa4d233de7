"""Which machine this is: numbers without it say nothing."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numba
import numpy as np
import torch

from prn_pipeline.tracking.provenance import processor
from prn_pipeline.training.precision import multiplies_bf16

LAST_LEVEL_CACHE = Path("/sys/devices/system/cpu/cpu0/cache/index3/size")
ASSUMED_CACHE_BYTES = 64 * 2**20
#: Probes of torch.cpu by what they tell; private names, so one that a release drops counts as absent.
FEATURES = {
    "AMX": "_is_amx_tile_supported",
    "AVX512-BF16": "_is_avx512_bf16_supported",
    "AVX512": "_is_avx512_supported",
    "AVX2": "_is_avx2_supported",
}


def describe() -> dict[str, Any]:
    """Processor, cores, versions, date (UTC) and GPUs, ready for JSON."""
    gpus = (
        [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    )
    return {
        "cpu": processor(),
        "cores": usable_cores(),
        "torch_threads": torch.get_num_threads(),
        "cpu_features": cpu_features(),
        "bf16_native": multiplies_bf16(torch.device("cpu")),
        "last_level_cache_mib": last_level_cache() / 2**20,
        "gpus": gpus,
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "numba": numba.__version__,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def kind_of_processor(machine: Mapping[str, Any]) -> str:
    """Name of the processor and the newest of `FEATURES` it has, from `describe`: some of one name differ in that."""
    return ", ".join([machine["cpu"], *machine["cpu_features"][:1]])


def use_cores(count: int) -> None:
    """Let torch and numba use this many cores."""
    torch.set_num_threads(count)
    numba.set_num_threads(count)


def usable_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def cpu_features() -> list[str]:
    """Of AMX, AVX512-BF16, AVX512 and AVX2 those that torch finds here."""
    probes = {feature: getattr(torch.cpu, name, None) for feature, name in FEATURES.items()}
    return [feature for feature, probe in probes.items() if probe is not None and probe()]


def last_level_cache() -> int:
    """Bytes of the last-level cache; 64 MiB where the system does not say."""
    if not LAST_LEVEL_CACHE.is_file():
        return ASSUMED_CACHE_BYTES
    found = re.fullmatch(r"(\d+)([KM])", LAST_LEVEL_CACHE.read_text().strip())
    return int(found[1]) * {"K": 2**10, "M": 2**20}[found[2]] if found else ASSUMED_CACHE_BYTES
