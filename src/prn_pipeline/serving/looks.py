"""Error probability of each comparison with one champion, so that all of them together keep one level.

A champion that meets a new challenger every night meets equally good ones too, and each comparison is another chance
that one of these wins by luck. The n-th comparison gets the share n^-1.5 / zeta(1.5) of the level; the shares of any
number of comparisons sum to less than one. The bound holds however much the comparisons depend on each other, and they
do: all of them are made on the same test images.
"""

from __future__ import annotations

from scipy.special import zeta

#: The shares decrease as n^-POWER. 2, the usual choice, leaves night 20 a third of what 1.5 does; close to 1, the first
#: nights get little.
POWER = 1.5


def alpha_of(look: int, level: float) -> float:
    """Probability with which the comparison number `look` (1, 2, ...) may promote an equally good challenger.

    Args:
        look: number of the comparison among those with the same champion.
        level: probability for all comparisons together.
    """
    if look < 1:
        raise ValueError(f"comparisons are counted from 1, got {look}")
    return float(level * look**-POWER / zeta(POWER))
