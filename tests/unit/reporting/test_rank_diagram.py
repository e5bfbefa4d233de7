"""Lengths and places in the critical-difference diagram are those of the ranking."""

import math

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import same_color

from prn_pipeline.reporting.labels import short_label_or_name
from prn_pipeline.reporting.leaderboard.figure_ranks import rank_diagram
from prn_pipeline.reporting.leaderboard.ranks import Ranking, critical_difference
from prn_pipeline.reporting.theme import LIGHT, styled

RANKS = {"refined": 1.2, "tta": 1.9, "rankseg": 3.3, "base": 3.6}
RANKING = Ranking(RANKS, tuple("abcdefgh"), p=0.001, critical_difference=1.25)


def drawn(ranking: Ranking) -> Axes:
    return rank_diagram(ranking, {"refined"}, LIGHT).axes[0]


def lines(axes: Axes) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(np.asarray(line.get_xdata()), np.asarray(line.get_ydata())) for line in axes.lines]


def horizontal(axes: Axes, above: bool) -> list[tuple[float, float]]:
    """Ends of the level lines of two points that lie above or below the axis."""
    found = [(x, y) for x, y in lines(axes) if len(x) == 2 and y[0] == y[1] and (y[0] > 0 if above else y[0] < 0)]
    return [(float(x[0]), float(x[1])) for x, _ in found]


@pytest.mark.parametrize("difference", [0.4, 1.25, 2.0])
def test_the_bar_is_as_long_as_the_critical_difference_and_says_so(difference: float) -> None:
    axes = drawn(Ranking(RANKS, tuple("abcdefgh"), 0.001, difference))
    assert horizontal(axes, above=True) == [pytest.approx((1, 1 + difference))]
    (text,) = [text for text in axes.texts if "critical difference" in text.get_text()]
    assert text.get_text() == f"critical difference {difference:.2f}"
    assert text.get_position()[0] == pytest.approx(1 + difference / 2), "over the middle of the bar"


def test_without_a_significant_test_there_is_no_bar() -> None:
    axes = drawn(Ranking(RANKS, tuple("abc"), 0.5, math.nan))
    assert horizontal(axes, above=True) == []
    assert not [text for text in axes.texts if "critical" in text.get_text()]


def test_bars_below_the_axis_join_methods_that_do_not_differ() -> None:
    assert RANKING.alike == [("refined", "tta"), ("rankseg", "base")]
    ends = horizontal(drawn(RANKING), above=False)
    assert ends == [pytest.approx((1.2, 1.9), abs=0.1), pytest.approx((3.3, 3.6), abs=0.1)]
    assert ends[0][0] < 1.2
    assert ends[0][1] > 1.9, "a little longer on both sides, so that the methods are seen to be joined"


def test_each_method_stands_at_its_rank_with_its_name() -> None:
    axes = drawn(RANKING)
    points = [(x[0], y[0], line) for (x, y), line in zip(lines(axes), axes.lines, strict=True) if len(x) == 1]
    assert [x for x, _, _ in points] == list(RANKS.values())
    assert {y for _, y, _ in points} == {0}
    assert [same_color(line.get_color(), LIGHT.refiner) for _, _, line in points] == [True, False, False, False]
    texts = {text.get_text(): text for text in axes.texts}
    labels = [f"{short_label_or_name('refined')}  1.20", f"{short_label_or_name('tta')}  1.90"]
    labels += [f"3.30  {short_label_or_name('rankseg')}", f"3.60  {short_label_or_name('base')}"]
    assert set(labels) <= set(texts)
    assert [texts[name].get_fontweight() for name in labels] == ["bold", "normal", "normal", "normal"]
    stems = [(x, y) for x, y in lines(axes) if len(x) == 3]
    assert [tuple(x[:2]) for x, _ in stems] == [(rank, rank) for rank in RANKS.values()]
    assert [y[2] for _, y in stems] == [pytest.approx(texts[name].get_position()[1]) for name in labels]
    assert [texts[name].get_ha() for name in labels] == ["right", "right", "left", "left"]


def test_ticks_number_the_ranks() -> None:
    axes = drawn(RANKING)
    numbers = {text.get_text(): text.get_position()[0] for text in axes.texts if text.get_text().isdigit()}
    assert numbers == {"1": 1, "2": 2, "3": 3, "4": 4}


def test_the_critical_difference_is_that_of_demsars_table() -> None:
    """Table 5a of Demsar (2006): q of 2 to 5 methods at 5 %."""
    table = {2: 1.960, 3: 2.343, 4: 2.569, 5: 2.728}
    found = {methods: critical_difference(10, methods) for methods in table}
    expected = {methods: q * math.sqrt(methods * (methods + 1) / 60) for methods, q in table.items()}
    assert found == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(
    "names",
    [tuple(RANKS), ("components_tuned", "tuned_threshold", "a_refiner_of_a_long_name_of_ours", "tta_scales_tuned")],
)
def test_no_name_is_cut_off(names: tuple[str, ...]) -> None:
    ranking = Ranking(dict(zip(names, RANKS.values(), strict=True)), tuple("abcdefgh"), p=0.001, critical_difference=1)
    with styled(LIGHT):
        figure = rank_diagram(ranking, {names[0]}, LIGHT)
        figure.canvas.draw()
        boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert min(box.x0 for box in boxes) >= 0
    assert max(box.x1 for box in boxes) <= figure.bbox.width
