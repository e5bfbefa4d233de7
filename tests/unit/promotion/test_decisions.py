"""Every entry of a decision, which promotion.json and people read, and what a challenge passes on."""

from typing import Any

import numpy as np
import pytest
from mlflow.tracking import MlflowClient

from prn_pipeline.errors import UserError
from prn_pipeline.promotion import challenge as module
from prn_pipeline.promotion.challenge import challenge
from prn_pipeline.promotion.marks import DIGEST
from prn_pipeline.promotion.registry import Registry
from prn_pipeline.serving.evaluation import TestImages
from prn_pipeline.serving.first_champion import FirstChampionSettings
from tests.unit.promotion.test_challenge import GOOD_RUN, SETTINGS, FakePredictor, World, _Settings, some_images, world

__all__ = ["world"]


def decide(world: World, predictor: FakePredictor, images: TestImages | None = None, **more: Any) -> dict[str, Any]:
    world.add(predictor)
    return challenge(world.registry, predictor, images or some_images(), SETTINGS, **more)  # type: ignore[arg-type]


def made_by(world: World, predictor: FakePredictor, name: str) -> None:
    """Register a predictor with the tag that says which run made it."""
    made = world.client.create_model_version("roads", "/somewhere", tags={DIGEST: predictor.digest, "made_by": name})
    world.predictors[f"models:/roads/{made.version}"] = predictor


def test_a_first_decision_says_what_was_compared_and_what_was_left_out(world: World) -> None:
    predictor = FakePredictor(0.7, _Settings("roads/unet/prn/seed-3", ("image-0", "image-7", "another")))
    assert decide(world, predictor) == {
        "model": "roads",
        "challenger": {"version": "1", "made_by": "roads/unet/prn/seed-3"},
        "champion": None,
        "outcome": "first",
        "promoted": True,
        "why": "there was no champion",
        "images": 28,
        "units": 28,
        "unit": "image",
        "left_out": 2,
        "iou_micro": {"challenger": pytest.approx(0.7, abs=1e-3)},
    }


def test_a_refused_first_model_is_told_why_and_how_to_promote_it_by_hand(world: World) -> None:
    found = decide(world, FakePredictor(0.7), first=FirstChampionSettings(least_iou=0.9))
    assert found == {
        "model": "roads",
        "challenger": {"version": "1", "made_by": "roads/unet/prn/seed-0"},
        "champion": None,
        "outcome": "refused",
        "promoted": False,
        "why": "there is no champion, but its iou_micro is 0.700 on 30 test images, below the least of 0.9"
        " (`promotion.first_champion.least_iou`). To make it the champion by hand: prn rollback roads --to 1",
        "images": 30,
        "units": 30,
        "unit": "image",
        "left_out": 0,
        "iou_micro": {"challenger": pytest.approx(0.7, abs=1e-3)},
    }


def test_the_scores_of_the_run_are_looked_at_and_may_be_missing(world: World) -> None:
    refused = decide(world, FakePredictor(0.7), scores={"base_predicts": "nothing"})
    assert "its base model predicts nothing" in refused["why"]
    assert decide(world, FakePredictor(0.71))["outcome"] == "first"


def test_a_decision_on_two_models_names_both_and_has_all_of_the_comparison(world: World) -> None:
    made_by(world, FakePredictor(0.7, _Settings(learned_from=("image-1", "image-2"))), "roads/fpn/prn/seed-1")
    world.registry.promote(world.registry.version("1"), None)
    found = decide(world, FakePredictor(0.8, _Settings("roads/unet/prn/seed-2", ("image-2", "image-3"))))
    assert set(found) == {
        *("model", "challenger", "champion", "outcome", "promoted", "why", "images", "left_out", "iou_micro", "gain"),
        *("units", "unit", "look", "alpha", "margin", "lower_bound", "slices"),
    }
    assert found["model"] == "roads"
    assert found["challenger"] == {"version": "2", "made_by": "roads/unet/prn/seed-2"}
    assert found["champion"] == {"version": "1", "made_by": "roads/fpn/prn/seed-1"}
    assert (found["outcome"], found["promoted"]) == ("promoted", True)
    assert (found["images"], found["left_out"], found["units"]) == (27, 3, 27), "what either has learned from"
    assert found["iou_micro"] == {
        "challenger": pytest.approx(0.8, abs=1e-3),
        "champion": pytest.approx(0.7, abs=1e-3),
    }


def test_a_champion_of_an_earlier_version_has_no_run(world: World) -> None:
    decide(world, FakePredictor(0.7))
    assert decide(world, FakePredictor(0.6))["champion"] == {"version": "1", "made_by": ""}


def test_a_decision_without_a_comparison_says_so_and_has_no_scores(world: World) -> None:
    decide(world, FakePredictor(0.7))
    decide(world, FakePredictor(0.8))
    versions = {"challenger": {"version": "2", "made_by": "roads/unet/prn/seed-0"}, "model": "roads"}
    assert decide(world, FakePredictor(0.8)) == versions | {
        "champion": {"version": "2", "made_by": ""},
        "outcome": "same",
        "promoted": False,
        "why": "it is already the champion",
    }
    world.registry.roll_back()
    assert decide(world, FakePredictor(0.8)) == versions | {
        "champion": {"version": "1", "made_by": ""},
        "outcome": "taken_back",
        "promoted": False,
        "why": "it was champion until a rollback",
    }


def test_an_unknown_predictor_is_registered_with_its_first_test_image(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    class Pairs(TestImages):
        def pairs(self, predictor: Any) -> Any:
            asked.append(predictor)
            return iter([("first image", "its mask"), ("second image", "its mask")])

        def without(self, seen: set[str]) -> TestImages:
            return some_images().without(seen)

    def registered(*arguments: Any) -> Any:
        asked.append(arguments)
        world.add(predictor)
        return world.registry.find(predictor.digest)

    monkeypatch.setattr(module, "register", registered)
    predictor = FakePredictor(0.7)
    images = Pairs(some_images().manifest, None)  # type: ignore[arg-type]
    found = challenge(world.registry, predictor, images, SETTINGS)  # type: ignore[arg-type]
    assert asked == [predictor, (world.registry, predictor, "first image")]
    assert (found["challenger"]["version"], world.numbers()) == ("1", ("1", "1"))
    asked.clear()
    challenge(world.registry, predictor, images, SETTINGS)  # type: ignore[arg-type]
    assert asked == [], "a version that is registered is not registered again"


def test_a_long_reason_is_cut_to_what_a_tag_holds(world: World) -> None:
    free = {"method": "x" * 9000, "iou_micro": -0.1, "ci95": [-0.2, -0.05]}
    found = decide(world, FakePredictor(0.7), scores={"gain": {"vs_best_free": free}})
    assert len(found["why"]) > 9000
    assert world.tags("1")["decision"] == f"refused: {found['why']}"[:4000]


def test_a_champion_that_cannot_be_loaded_stops_the_challenge_and_names_the_remedy(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    decide(world, FakePredictor(0.7))

    def damaged(address: str) -> None:
        raise UserError(f"{address}: a damaged file")

    monkeypatch.setattr(module.Predictor, "load", damaged)
    with pytest.raises(UserError) as caught:
        decide(world, FakePredictor(0.8))
    assert str(caught.value) == (
        "the champion models:/roads/1 cannot be loaded (models:/roads/1: a damaged file). Nothing was promoted; the"
        " challenger is registered. Make a working version the champion: prn rollback roads --to VERSION"
    )
    assert world.numbers() == ("1", "2")


def test_models_are_compared_by_class_on_the_images_that_neither_knows(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    decide(world, FakePredictor(0.7))
    calls, compare = [], module.compare

    def recorded(*arguments: Any) -> dict[str, Any]:
        calls.append(arguments)
        return compare(*arguments)

    monkeypatch.setattr(module, "compare", recorded)
    challenger = FakePredictor(0.8, _Settings(learned_from=("image-5",), classes=("road",)))
    decide(world, challenger)
    ((first, second, manifest, classes, settings, look),) = calls
    assert (classes, settings, look) == (("road",), SETTINGS, 1)
    assert "image-5" not in set(manifest["sha256"])
    left = some_images().without({"image-5"})
    assert (first == challenger.counts(left)).all()
    assert (second == FakePredictor(0.7).counts(left)).all()


def test_too_few_units_leave_the_decision_to_people(world: World) -> None:
    decide(world, FakePredictor(0.7))
    found = decide(world, FakePredictor(0.9), some_images(19))
    assert found["why"].endswith("20 are needed. To promote it by hand: prn rollback roads --to 2")
    assert (found["images"], found["left_out"], found["outcome"]) == (19, 0, "kept")
    assert "rollback" not in decide(world, FakePredictor(0.6))["why"]


def test_the_reason_is_a_tag_before_the_champion_changes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, str]] = []
    promote = Registry.promote

    def recorded(registry: Registry, version: Any, expected: Any) -> None:
        seen.append(world.tags(str(version.version)))
        promote(registry, version, expected)

    monkeypatch.setattr(Registry, "promote", recorded)
    decide(world, FakePredictor(0.7), scores=GOOD_RUN)
    assert seen[0]["decision"] == "first: there was no champion"
    decide(world, FakePredictor(0.5))
    assert len(seen) == 1, "a version that is kept out is not promoted"


def test_test_images_without_a_champion_must_be_new_to_the_challenger(world: World, client: MlflowClient) -> None:
    seen = tuple(f"image-{number}" for number in np.arange(30))
    with pytest.raises(UserError) as caught:
        decide(world, FakePredictor(0.7, _Settings(learned_from=seen)))
    assert str(caught.value) == (
        "challenger or champion was trained on each of the 30 test images, so none is left to compare them on. Keep"
        " test images out of every training: see `split` of the data set"
    )
    assert world.numbers()[0] is None
