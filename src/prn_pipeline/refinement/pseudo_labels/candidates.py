"""The candidate thresholds of a patch (paper section 3.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the settings of a run know these limits, and need no arrays
    import numpy as np
    from numpy.typing import NDArray

PAPER_LEVELS = 20
PAPER_SMOOTH = 1.0
MAX_LEVELS = 2**14 - 1  # the kernel's codes hold no more; float16 has 15361 values in [0, 1]


def candidate_thresholds(levels: int) -> NDArray[np.float32]:
    """The thresholds k / levels, k = 1 .. levels, each rounded to float32, in which they are compared."""
    import numpy as np

    return (np.arange(1, levels + 1) / levels).astype(np.float32)
