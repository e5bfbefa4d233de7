"""The expected IoU of single masks is fitted to maps that the refiner has not learned from, and to no test map."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from prn_pipeline.data.store.map_manifest import learning_rows
from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.metrics.map_quality import fitting
from prn_pipeline.metrics.map_quality.expected_iou import ExpectedIou
from prn_pipeline.metrics.map_quality.statistics import quality_statistics, true_iou
from prn_pipeline.refinement.fold_assignment import assign_map_folds
from prn_pipeline.refinement.patch_refine_net.monitor import monitor_rows
from prn_pipeline.refinement.patch_refine_net.settings import PatchRefineNetSettings
from prn_pipeline.refinement.protocol import LearningMaps, Refiner
from prn_pipeline.refinement.region_detail.correction import Correction
from prn_pipeline.refinement.region_detail.ensemble import FoldEnsemble
from prn_pipeline.refinement.region_detail.settings import RegionDetailSettings
from prn_pipeline.refinement.registry import build_refiner
from prn_pipeline.refinement.trees.settings import TreesSettings
from prn_pipeline.segmentation.map_assignment import assign_models
from prn_pipeline.stages.evaluation import expected_iou as module
from prn_pipeline.stages.evaluation.expected_iou import as_json, fit_to_held_out
from prn_pipeline.training.inference import predict_logits
from prn_pipeline.training.tiling import Tiles
from tests.unit.stages.class_samples import C, class_samples

TILES = Tiles(size=64, overlap=32)
SMALL = RegionDetailSettings(network="region_detail", members=3, detail_width=4, detail_levels=2, region_width=4)


def learning(samples: Samples) -> LearningMaps:
    return LearningMaps(samples, assign_models(samples.manifest, "holdout", {}))


def ensemble(correction: Correction, settings: RegionDetailSettings = SMALL) -> FoldEnsemble:
    """With members of random weights, so that each refines in its own way."""
    torch.manual_seed(0)
    made = build_refiner(settings)
    assert isinstance(made, FoldEnsemble)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    made.correction = correction
    return made.eval()


def given_to_the_fit(
    monkeypatch: pytest.MonkeyPatch, maps: LearningMaps, refiner: Refiner
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    found = []

    def fit(*arguments: object) -> fitting.Fitted:
        found.append(arguments)
        return fitting.Fitted(None, "")

    monkeypatch.setattr(module, "fit_expected_iou", fit)
    fit_to_held_out(maps, refiner, 4, TILES)
    (arguments,) = found
    return arguments  # type: ignore[return-value]


@pytest.mark.parametrize(
    "correction", [Correction(1, 0.5, 0.25), Correction(1, 1, rankseg=1), Correction(0, 0, -0.5), Correction(1, 0)]
)
def test_each_map_is_refined_by_the_member_that_left_it_out_under_the_guards_choice(
    bright_squares: Samples, monkeypatch: pytest.MonkeyPatch, correction: Correction
) -> None:
    refiner, maps = ensemble(correction), learning(bright_squares)
    rows = learning_rows(maps.map_manifest)
    folds = assign_map_folds(bright_squares.manifest.iloc[rows], 3)
    statistics, ious, parts, units = given_to_the_fit(monkeypatch, maps, refiner)
    assert units == len(rows) == len(ious) == len(parts) == 6
    for place, (row, fold) in enumerate(zip(rows, folds, strict=True)):
        base = torch.from_numpy(bright_squares.array("logits", [row])).float()[:, None]
        with torch.inference_mode():
            refined = correction.blend(base, base, refiner.members[fold](base).final).half().numpy()
        before = bright_squares.array("logits", [row])[:, None]
        np.testing.assert_allclose(statistics[place], quality_statistics(before, refined)[0], atol=5e-3)
        truth = bright_squares.array("masks", [row])[:, None]
        assert ious[place] == pytest.approx(true_iou(refined, truth)[0], abs=0.02)


def test_the_papers_network_is_judged_on_the_maps_that_selected_its_epoch(
    bright_squares: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    refiner, maps = build_refiner(PatchRefineNetSettings(width=4, grid=2)).eval(), learning(bright_squares)
    rows = learning_rows(maps.map_manifest)
    chosen = rows[monitor_rows(maps, rows)]
    statistics, *_ = given_to_the_fit(monkeypatch, maps, refiner)
    refined = np.concatenate(list(predict_logits(refiner, bright_squares, chosen, ("logits",), 4, TILES)))
    base = bright_squares.array("logits", chosen)
    np.testing.assert_allclose(statistics, quality_statistics(base[:, None], refined[:, None]), atol=1e-3)


def test_classes_of_an_image_are_judged_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = class_samples(tmp_path)
    maps = LearningMaps(samples, samples.manifest.assign(seen_in_training=False, model="base"))
    images = len(learning_rows(maps.map_manifest)) // C
    refiner = ensemble(Correction(1, 1), SMALL.model_copy(update={"members": 2}))
    statistics, ious, _, units = given_to_the_fit(monkeypatch, maps, refiner)
    assert (statistics.shape, ious.shape, units) == ((images, 2), (images,), 2)  # two groups


def test_images_without_a_labelled_pixel_are_left_out(bright_squares: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    original = module.true_iou

    def first_ignored(refined: np.ndarray, masks: np.ndarray) -> np.ndarray:
        found = original(refined, masks)
        found[0] = np.nan
        return found

    monkeypatch.setattr(module, "true_iou", first_ignored)
    _, ious, parts, units = given_to_the_fit(monkeypatch, learning(bright_squares), ensemble(Correction(1, 1)))
    assert (len(ious), len(parts), units) == (3, 3, 3)  # one of each fold is ignored
    assert np.isfinite(ious).all()


def test_a_refiner_that_holds_nothing_out_has_no_estimate_and_says_so(bright_squares: Samples) -> None:
    class LearnsFromAll(FoldEnsemble):
        held_out = Refiner.held_out

    fitted = fit_to_held_out(learning(bright_squares), LearnsFromAll(SMALL), 4, TILES)
    assert fitted == (None, module.NOTHING_HELD_OUT)
    assert as_json(fitted) == {"estimate": None, "reason": module.NOTHING_HELD_OUT}


def test_an_estimate_survives_its_json_and_few_units_have_none(
    bright_squares: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    maps = learning(bright_squares)
    trees = build_refiner(TreesSettings(network="trees", members=2, trees=2, depth=2)).eval()
    assert "6 held-out images or groups are too few" in fit_to_held_out(maps, trees, 4, TILES).reason
    monkeypatch.setattr(fitting, "LEAST_UNITS", 5)
    monkeypatch.setattr(module, "true_iou", lambda refined, masks: quality_statistics(refined, refined)[:, 0])
    fitted = fit_to_held_out(maps, ensemble(Correction(1, 1)), 4, TILES)
    assert fitted.estimate is not None
    stored = json.loads(json.dumps(as_json(fitted)))
    assert ExpectedIou.model_validate(stored["estimate"]) == fitted.estimate
