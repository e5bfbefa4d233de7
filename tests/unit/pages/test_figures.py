"""What the figures of the pages show is what their captions say."""

import numpy as np
import pytest
from matplotlib.image import imread

from docs.figures.__main__ import FIGURES, IMAGES
from docs.figures.example_maps import example_maps, fit_logistic, iou
from docs.figures.flow_chart import places, read_chart
from docs.figures.guard import FEW, MANY, guarded
from docs.figures.patches import PATCH, chosen_scene, patch_figure, probabilities
from prn_pipeline.refinement import patch_pseudo_labels

PAGE = (IMAGES.parent / "explanation" / "method.md").read_text()


def test_the_two_patches_need_the_thresholds_that_the_page_names() -> None:
    scene, *patches = chosen_scene()
    thresholds = patch_pseudo_labels(probabilities(), example_maps().masks, PATCH).thresholds[scene]
    low, high = (thresholds[place] for place in patches)
    assert f"threshold of {low:.2f}, the other of {high:.2f}" in PAGE


def test_the_guard_selects_what_the_page_says() -> None:
    many, few = guarded(MANY), guarded(FEW)
    assert (many.selected, few.selected) == (0.5, 0.0)
    assert f"{100 * (many.strengths.max() - many.tuned):.1f} points better than a tuned threshold" in PAGE
    assert f"With {MANY} labelled maps" in PAGE


def test_every_figure_is_in_the_pages_and_in_the_repository() -> None:
    assert len(FIGURES) >= 3
    assert all(f"../images/{name}" in PAGE for name in FIGURES)
    assert all((IMAGES / name).is_file() for name in FIGURES)


def test_the_committed_picture_of_patches_is_what_the_code_draws(tmp_path) -> None:  # type: ignore[no-untyped-def]
    patch_figure().savefig(tmp_path / "drawn.png")
    drawn, committed = imread(tmp_path / "drawn.png"), imread(IMAGES / "patches.png")
    assert drawn.shape == committed.shape
    assert np.abs(drawn - committed).mean() < 0.01, "python -m docs.figures draws it again"


def test_newtons_method_finds_the_weights_that_drew_the_masks() -> None:
    draw = np.random.default_rng(0)
    features = draw.normal(size=(20_000, 2))
    masks = (draw.random(20_000) < 1 / (1 + np.exp(-features @ [2.0, -1.0]))).astype(np.uint8)
    assert fit_logistic(features, masks, np.zeros(20_000)) == pytest.approx([2, -1], abs=0.1)


def test_iou_of_nothing_is_one() -> None:
    empty = np.zeros(4, np.uint8)
    assert iou(empty == 1, empty) == 1
    assert iou(np.array([True, True, False, False]), np.array([0, 1, 1, 0], np.uint8)) == pytest.approx(1 / 3)


def test_a_chart_is_read_and_drawn_downwards() -> None:
    chart = read_chart('flowchart LR\n  a[("files<br/>of a")] --> b --> c["the end"]\n  a -.-> c\n')
    assert set(chart.graph.edges) == {("a", "b"), ("b", "c"), ("a", "c")}
    assert chart.texts == {"a": "files\nof a", "b": "b", "c": "the end"}
    assert chart.artefacts == {"a"}
    spots = places(chart.graph)
    assert all(spots[start][1] > spots[end][1] for start, end in chart.graph.edges)
