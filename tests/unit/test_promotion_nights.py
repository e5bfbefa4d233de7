"""Many nights of retraining, simulated with the real decision: an equal challenger is promoted in at most 5 %.

`python -m benchmarks.promotion_nights` has the figures for more test sets and with more draws.
"""

import pytest

from benchmarks.promotion_nights import World, default_settings, power, promoted_share

#: No help from slices and margin, which only lower the rate.
BARE = default_settings().model_copy(update={"margin": 0.0, "smallest_test": 2, "slices": ()})
NIGHTS, DRAWS = 30, 50


@pytest.mark.parametrize("world", [World(6, 20), World(30)], ids=str)
def test_equal_challengers_of_thirty_nights_are_rarely_promoted(world: World) -> None:
    assert promoted_share(world, BARE, NIGHTS, DRAWS) <= 0.05


def test_frames_that_are_taken_for_independent_images_promote_equal_challengers() -> None:
    """Without groups the same simulation finds what it has to find."""
    assert promoted_share(World(6, 20), BARE, NIGHTS, 20, grouped=False) > 0.3


def test_better_challengers_are_promoted_in_the_first_and_in_the_twentieth_night() -> None:
    settings = default_settings().model_copy(update={"slices": ()})
    assert power(World(100), settings, night=1, draws=40, gain=0.03) >= 0.9
    assert power(World(100), settings, night=20, draws=40, gain=0.04) >= 0.8
