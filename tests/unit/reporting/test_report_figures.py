"""Figures show the data they were given."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_hex, to_rgb

from prn_pipeline.metrics.map_statistics import MapStatistics
from prn_pipeline.reporting.cards.scores import gain_card
from prn_pipeline.reporting.figures.errors import error_places, reliability_diagram
from prn_pipeline.reporting.figures.images import gain_histogram, image_pairs, image_scatter
from prn_pipeline.reporting.figures.patches import (
    bias_colours,
    patch_bias_maps,
    readable_height,
    threshold_bins,
    threshold_histogram,
)
from prn_pipeline.reporting.figures.scores import gain_intervals
from prn_pipeline.reporting.figures.training import best_epoch, training_curves, training_note
from prn_pipeline.reporting.theme import DARK, LIGHT, Theme, draw_png, ink_on, luminance

BOTH = pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
PER_IMAGE = pd.DataFrame(
    {"sample_id": list("abcde"), "iou_base": [0.5, 0.6, 0.7, np.nan, 0.2], "iou_refined": [0.6, 0.6, 0.4, 0.9, np.nan]}
)


def contrast(first: str, second: str) -> float:
    low, high = sorted((luminance(to_rgb(first)), luminance(to_rgb(second))))
    return (high + 0.05) / (low + 0.05)


@BOTH
def test_text_and_data_stand_out_from_their_ground(theme: Theme) -> None:
    for ground in (theme.page, theme.card, theme.tint):
        assert contrast(theme.ink, ground) >= 7
        assert contrast(theme.muted, ground) >= 4.5
    for colour in (theme.refiner, theme.over, theme.under, theme.base):
        assert contrast(colour, theme.card) >= 3


def test_luminance_of_white_black_and_mid_grey_is_that_of_the_standard() -> None:
    assert luminance((1, 1, 1)) == pytest.approx(1)
    assert luminance((0, 0, 0)) == 0
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)  # the well-known limit of WCAG AA


@BOTH
def test_numbers_on_the_bias_map_can_be_read_on_every_colour(theme: Theme) -> None:
    colours = bias_colours(theme)
    grounds = [colours(place) for place in np.linspace(0, 1, 41)]
    assert min(contrast(ink_on(ground), to_hex(ground)) for ground in grounds) >= 4.5


def test_bias_colours_put_zero_in_the_middle_whatever_the_values() -> None:
    before = np.array([[0.3, np.nan], [0.01, -0.1]], np.float32)
    panels = patch_bias_maps({"Base model": before, "PRN": before / 10}, LIGHT).axes[:2]
    assert [panel.get_title() for panel in panels] == ["Base model", "PRN"]
    for panel in panels:
        assert panel.images[0].norm.vmin == pytest.approx(-0.3), "both share one scale"
        assert panel.images[0].norm.vmax == pytest.approx(0.3)
        assert np.ma.getmaskarray(panel.images[0].get_array()).tolist() == [[False, True], [False, False]]


def test_bias_maps_have_numbers_where_there_is_room_for_them() -> None:
    def numbers(patches: int, *titles: str) -> int:
        figure = patch_bias_maps(dict.fromkeys(titles, np.full((patches, patches), 0.1)), LIGHT)
        return sum(len(axes.texts) for axes in figure.axes)

    assert numbers(8, "Base model") == 64
    assert numbers(4, "Base model", "PRN") == 32
    assert numbers(8, "Base model", "PRN") == 0


def test_bias_map_of_nothing_but_zeros_can_be_drawn() -> None:
    zeros = {"Base model": np.zeros((1, 1), np.float32)}
    assert draw_png(lambda theme: patch_bias_maps(zeros, theme), LIGHT).startswith(b"\x89PNG")


def test_bars_of_wrong_pixels_are_as_high_as_their_share_of_the_foreground() -> None:
    statistics = MapStatistics(np.zeros((1, 1)), np.zeros((10, 3)), np.array([[30, 5], [10, 15]]), 200)
    heights = [bar.get_height() for bar in error_places({"Base model": statistics}, LIGHT).axes[0].patches]
    assert heights == pytest.approx([15, 5, 2.5, 7.5])  # near: 30 and 10 of 200; away: 5 and 15


def test_the_reliability_diagram_leaves_out_empty_bins() -> None:
    reliability = np.full((10, 3), np.nan)
    reliability[:, 0] = 0
    reliability[3] = 100, 0.34, 0.5
    statistics = MapStatistics(np.zeros((1, 1)), reliability, np.zeros((2, 2), int), 1)
    points = reliability_diagram({"Base model": statistics}, LIGHT).axes[0].collections[0].get_offsets()
    assert np.asarray(points).tolist() == [[0.34, 0.5]]


@given(st.lists(st.integers(1, 20), min_size=1, max_size=60))
def test_a_bar_a_level_counts_exactly_the_thresholds_of_that_level(levels: list[int]) -> None:
    values = (np.array(levels) * 0.05).astype(np.float32)
    counts, edges = np.histogram(values, bins=threshold_bins(values))
    assert counts.sum() == len(levels)
    middles = (edges[:-1] + edges[1:]) / 2
    for middle, count in zip(middles, counts, strict=True):
        assert count == sum(abs(level * 0.05 - middle) < 1e-4 for level in levels)


def test_thresholds_of_any_value_fall_into_forty_bars() -> None:
    values = np.random.default_rng(0).random(500)
    edges = threshold_bins(values)
    assert len(edges) == 41
    assert np.histogram(values, bins=edges)[0].sum() == 500


def test_a_bar_that_dwarfs_the_others_is_cut_and_says_how_tall_it_was() -> None:
    thresholds = np.array([0.05] * 90 + [0.5] * 6 + [0.55] * 4, np.float32).reshape(1, 10, 10)
    axes = threshold_histogram(thresholds, LIGHT).axes[0]
    assert readable_height(np.array([90.0, 6.0, 4.0])) == 7.5
    assert max(bar.get_height() for bar in axes.patches) == 7.5
    assert "↑ 90 %" in [text.get_text() for text in axes.texts]


def test_bars_of_like_height_are_left_whole() -> None:
    assert readable_height(np.array([10.0, 20.0, 15.0])) == 20
    assert readable_height(np.array([100.0])) == 100


def test_images_without_both_scores_are_counted_apart() -> None:
    pairs = image_pairs(PER_IMAGE)
    assert (pairs.better, pairs.worse, pairs.base.size, pairs.undefined) == (1, 1, 3, 2)


def test_scatter_holds_every_image_once_on_equal_axes() -> None:
    axes = image_scatter(image_pairs(PER_IMAGE), "PRN", LIGHT).axes[0]
    drawn = np.concatenate([points.get_offsets() for points in axes.collections])
    assert sorted(map(tuple, drawn)) == [(0.5, 0.6), (0.6, 0.6), (0.7, 0.4)]
    assert axes.get_aspect() == 1
    assert axes.get_xlim() == axes.get_ylim()


def test_gain_histogram_holds_every_image_once_and_is_centred_on_zero() -> None:
    axes = gain_histogram(image_pairs(PER_IMAGE), LIGHT).axes[0]
    assert sum(bar.get_height() for bar in axes.patches) == 3
    left, right = axes.patches[0].get_x(), axes.patches[-1].get_x() + axes.patches[-1].get_width()
    assert left == pytest.approx(-right)


def test_gain_intervals_span_what_was_measured() -> None:
    gains = {
        "vs_base": {"iou_micro": 0.011, "ci95": [0.004, 0.019]},
        "vs_tuned_threshold": {"iou_micro": 0.01, "ci95": None},
    }
    lines = [line.get_xdata() for line in gain_intervals({"gain": gains}, LIGHT).axes[0].lines]
    assert [list(np.round(line, 6)) for line in lines[1:]] == [[0.4, 1.9], [1.1]]


@BOTH
@pytest.mark.parametrize(
    "reason",
    [{"n_test": 5}, {"n_test": 60, "n_independent": 5}, {"n_test": 60, "base_predicts": "nothing"}],
    ids=["few images", "few groups", "broken base model"],
)
def test_gains_have_a_colour_only_where_something_may_be_claimed(theme: Theme, reason: dict[str, object]) -> None:
    gains = {
        "vs_base": {"iou_micro": 0.011, "ci95": [0.004, 0.019]},
        "vs_tuned_threshold": {"iou_micro": -0.01, "ci95": [-0.02, -0.005]},
    }

    def colours(scores: dict[str, object]) -> set[str]:
        return {line.get_color() for line in gain_intervals(scores, theme).axes[0].lines[1:]}

    enough = {"gain": gains, "n_test": 6}
    assert colours(enough) == {theme.refiner, theme.over}
    assert colours(enough | reason) == {theme.base}
    plain, claimed_nothing = gain_card(enough), gain_card(enough | reason)
    assert plain is not None
    assert claimed_nothing is not None
    assert "crosses zero" in plain.note
    assert "no difference can be claimed" in claimed_nothing.note


def test_best_epoch_is_the_first_of_the_highest() -> None:
    history = pd.DataFrame({"epoch": [1, 2, 3, 4], "val_iou_micro": [0.1, np.nan, 0.6, 0.6]})
    assert best_epoch(history) == (3.0, 0.6)
    assert best_epoch(history.assign(val_iou_micro=np.nan)) is None


def test_training_note_sums_up_the_stage() -> None:
    history = pd.DataFrame(
        {"epoch": [0, 1], "val_iou_micro": [0.5, 0.7], "learning_rate": [8e-4, 4e-4], "seconds": [40.0, 35.0]}
    )
    note = "2 epochs, best validation IoU 0.700 at epoch 1, learning rate 0.0008 to 0.0004, 1 min 15 s."
    assert training_note(history) == note


def test_curves_carry_the_history_and_skip_what_was_not_recorded() -> None:
    history = pd.DataFrame({"epoch": [0, 1], "val_loss": [0.9, 0.4]})
    loss, iou = training_curves(history, LIGHT).axes
    assert [line.get_ydata().tolist() for line in loss.lines] == [[0.9, 0.4]]
    assert list(iou.lines) == []


def test_drawing_leaves_the_global_style_alone() -> None:
    before = dict(mpl.rcParams)
    draw_png(lambda theme: training_curves(pd.DataFrame({"epoch": [0]}), theme), DARK)
    assert dict(mpl.rcParams) == before
