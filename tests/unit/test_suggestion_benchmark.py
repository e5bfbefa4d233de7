"""The simulation behind `prn suggest`: what it sums up, and its figure."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import stats

from benchmarks.suggestion import summary
from benchmarks.suggestion_figure import draw

DRAWS = [
    {"base": 0.7, "before": 0.72, "random": 0.74, "suggested": 0.78, "disagreement": 0.73},
    {"base": 0.6, "before": 0.65, "random": 0.66, "suggested": 0.67, "disagreement": 0.66},
    {"base": 0.8, "before": 0.82, "random": 0.83, "suggested": 0.81, "disagreement": 0.85},
]


def test_differences_are_paired_by_draw_and_in_points() -> None:
    found = summary(DRAWS)
    differences = [4, 1, -2]
    pair = found["points"]["suggested_vs_random"]
    assert pair["mean"] == pytest.approx(1)
    expected = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    assert pair["ci95"] == pytest.approx([expected.low, expected.high])
    assert pair["draws_better"] == 2
    assert found["means"]["random"] == pytest.approx(np.mean([0.74, 0.66, 0.83]))


def test_the_figure_has_a_panel_for_each_base_model(tmp_path: Path) -> None:
    sizes = []
    for models in (["one"], ["one", "two"]):
        (tmp_path / "figure.png").write_bytes(draw({model: summary(DRAWS) for model in models}))
        with Image.open(tmp_path / "figure.png") as figure:
            sizes.append(figure.size)
    assert sizes[1][0] > 1.5 * sizes[0][0]
