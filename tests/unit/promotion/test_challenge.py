"""What a challenge writes to the registry, with predictors whose results are given."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from prn_pipeline.errors import UserError
from prn_pipeline.metrics.counts import COLUMNS
from prn_pipeline.promotion import challenge as module
from prn_pipeline.promotion.challenge import challenge
from prn_pipeline.promotion.marks import CHALLENGER, CHAMPION, DIGEST, LOOKS
from prn_pipeline.promotion.registry import ChampionChangedError, Registry
from prn_pipeline.serving.comparison import ComparisonSettings
from prn_pipeline.serving.evaluation import TestImages

SETTINGS = ComparisonSettings(margin=0.0, smallest_test=20, slices=(), smallest_slice=10, slice_tolerance=0.01)
GOOD_RUN: dict[str, Any] = {"gain": {"vs_best_free": {"method": "tta", "iou_micro": 0.02, "ci95": [0.01, 0.03]}}}


@dataclass(frozen=True)
class _Settings:
    made_by: str = "roads/unet/prn/seed-0"
    learned_from: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class FakePredictor:
    """A predictor that finds this share of the true pixels of every image."""

    found: float
    settings: _Settings = field(default_factory=_Settings)
    classes: int = 1

    @property
    def digest(self) -> str:
        return f"digest-of-{self.found}-{self.settings.learned_from}"

    def counts(self, images: TestImages) -> np.ndarray:
        found = np.zeros((len(images), 1, len(COLUMNS)), np.int64)
        size = 1000 + 10 * np.arange(len(images))
        found[:, 0, 0] = self.found * size
        found[:, 0, 2] = size - found[:, 0, 0]
        found[:, 0, 3] = 9000
        return found


def some_images(count: int = 30, first: int = 0) -> TestImages:
    numbers = np.arange(first, first + count)
    manifest = pd.DataFrame(
        {
            "sha256": [f"image-{number}" for number in numbers],
            "group": numbers.astype(str),
            "native_height": 10,
            "native_width": 10,
            "foreground": 0.5,
        }
    )
    return TestImages(manifest, None)  # type: ignore[arg-type]


class World:
    """A registry, and challenges in it."""

    def __init__(self, client: MlflowClient) -> None:
        client.create_registered_model("roads")
        self.client, self.registry = client, Registry("roads")
        self.predictors: dict[str, FakePredictor] = {}

    def add(self, predictor: FakePredictor) -> None:
        """Register a predictor, which takes seconds with real ones."""
        if self.registry.find(predictor.digest) is None:
            made = self.client.create_model_version("roads", "/somewhere", tags={DIGEST: predictor.digest})
            self.predictors[f"models:/roads/{made.version}"] = predictor

    def challenge(
        self,
        found: float,
        images: TestImages | None = None,
        settings: ComparisonSettings = SETTINGS,
        scores: dict[str, Any] = GOOD_RUN,
        **more: Any,
    ) -> dict[str, Any]:
        predictor = FakePredictor(found, **more)
        self.add(predictor)
        return challenge(self.registry, predictor, images or some_images(), settings, None, scores)  # type: ignore[arg-type]

    def numbers(self) -> tuple[str | None, str | None]:
        """Versions that are champion and challenger."""
        champion, challenger = (self.registry.aliased(alias) for alias in (CHAMPION, CHALLENGER))
        return (champion and str(champion.version)) or None, (challenger and str(challenger.version)) or None

    def tags(self, version: str) -> dict[str, str]:
        return dict(self.registry.version(version).tags)


@pytest.fixture
def world(client: MlflowClient, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(client)
    monkeypatch.setattr(module.Predictor, "load", lambda address: made.predictors[address])
    monkeypatch.setattr(module, "count_pixels", lambda predictor, images: predictor.counts(images))
    return made


def looks(world: World, version: str) -> int:
    """Number of the comparisons that a champion has had."""
    return int(world.tags(version).get(LOOKS, 0))


def test_a_good_first_model_becomes_champion_and_a_better_one_replaces_it(world: World) -> None:
    first = world.challenge(0.7)
    assert (first["outcome"], first["promoted"], world.numbers()) == ("first", True, ("1", "1"))
    assert world.tags("1")["decision"].startswith("first: ")
    better = world.challenge(0.8)
    assert (better["outcome"], better["promoted"], world.numbers()) == ("promoted", True, ("2", "2"))
    assert better["champion"]["version"] == "1"
    worse = world.challenge(0.6)
    assert (worse["outcome"], worse["promoted"], world.numbers()) == ("kept", False, ("2", "3"))
    assert worse["gain"]["iou_micro"] == pytest.approx(-0.2, abs=0.01)


def in_groups(images: TestImages, number: int) -> TestImages:
    return replace(images, manifest=images.manifest.assign(group=np.arange(len(images)) % number))


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (some_images(3), "3 images that it has not learned from are left of the test set: 20 are needed"),
        (in_groups(some_images(40), 6), "6 groups (40 images) that it has not learned from are left of the test set"),
    ],
)
def test_too_few_independent_images_make_no_first_champion(world: World, images: TestImages, said: str) -> None:
    decision = world.challenge(0.7, images)
    assert (decision["outcome"], decision["promoted"], world.numbers()) == ("refused", False, (None, "1"))
    assert said in decision["why"]
    assert "prn rollback roads --to 1" in decision["why"]
    small = SETTINGS.model_copy(update={"smallest_test": 3})
    assert world.challenge(0.7, images, small)["outcome"] == "first"


def test_a_champion_that_cannot_be_evaluated_stays_and_the_error_says_what_to_do(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.challenge(0.7)

    def evaluated(predictor: FakePredictor, images: TestImages) -> np.ndarray:
        if predictor.found == 0.7:
            raise UserError("roads/maps-1 has no maps")
        return predictor.counts(images)

    monkeypatch.setattr(module, "count_pixels", evaluated)
    with pytest.raises(UserError, match=r"champion models:/roads/1 cannot be compared \(roads/maps-1 has no maps\)"):
        world.challenge(0.8)
    assert world.numbers() == ("1", "2")


def test_the_challenger_is_tagged_with_what_was_decided_and_why(world: World) -> None:
    world.challenge(0.7)
    decision = world.challenge(0.8)
    assert world.tags("2")["decision"] == f"promoted: {decision['why']}"
    assert (decision["units"], decision["unit"], decision["look"], decision["margin"]) == (30, "image", 1, 0.0)
    assert decision["alpha"] == pytest.approx(0.01914, abs=1e-5)
    assert "over 30 images; comparison 1 with this champion, at an error probability of 0.019" in decision["why"]


def test_a_promotion_that_is_killed_leaves_no_champion_without_its_reason_and_is_repeated(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.challenge(0.7)

    def kill(version: object, expected: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(world.registry, "promote", kill)
        with pytest.raises(KeyboardInterrupt):
            world.challenge(0.8)
    assert world.numbers() == ("1", "2")
    assert world.tags("2")["decision"].startswith("promoted: ")
    again = world.challenge(0.8)
    assert (again["outcome"], again["look"], world.numbers()) == ("promoted", 1, ("2", "2"))


def test_every_challenger_of_a_champion_is_counted_once(world: World) -> None:
    world.challenge(0.7)
    assert world.challenge(0.70001)["look"] == 1
    assert world.challenge(0.69)["look"] == 2
    for _ in range(2):
        assert world.challenge(0.70001)["look"] == 1, "the same challenge again"
    assert world.challenge(0.68)["look"] == 3
    assert looks(world, "1") == 3
    assert looks(world, "2") == 0


def test_the_same_challenger_on_other_images_is_another_look(world: World) -> None:
    world.challenge(0.7)
    assert world.challenge(0.69)["look"] == 1
    assert world.challenge(0.69, some_images(40))["look"] == 2


def test_a_new_champion_starts_again_and_an_old_one_goes_on(world: World) -> None:
    world.challenge(0.7)
    world.challenge(0.69)
    assert world.challenge(0.8)["look"] == 2
    assert world.challenge(0.79)["look"] == 1
    world.registry.roll_back("1")
    assert world.challenge(0.68)["look"] == 3


def test_a_comparison_that_was_cut_off_keeps_its_number(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.challenge(0.7)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "compare", killed)
        with pytest.raises(KeyboardInterrupt):
            world.challenge(0.8)
    assert looks(world, "1") == 1
    assert world.numbers() == ("1", "2")
    again = world.challenge(0.8)
    assert again["look"] == 1
    assert again["promoted"]
    assert looks(world, "1") == 1


def test_a_promotion_that_was_cut_off_is_completed_by_the_next(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.challenge(0.7)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Registry, "promote", killed)
        with pytest.raises(KeyboardInterrupt):
            world.challenge(0.8)
    assert world.numbers() == ("1", "2")
    assert world.challenge(0.8)["outcome"] == "promoted"
    assert world.challenge(0.8)["outcome"] == "same"
    assert world.numbers() == ("2", "2")


def test_too_few_images_decide_nothing_and_count_nothing(world: World) -> None:
    world.challenge(0.7)
    decision = world.challenge(0.9, some_images(19))
    assert (decision["outcome"], decision["promoted"]) == ("kept", False)
    assert "19 images that neither has learned from are left of the test set: 20 are needed" in decision["why"]
    assert "To promote it by hand: prn rollback roads --to 2" in decision["why"]
    assert looks(world, "1") == 0
    assert world.tags("2")["decision"].startswith("kept: ")
    assert (decision["look"], decision["alpha"]) == (None, None)
    assert world.registry.roll_back("2") == ("1", "2"), "the remedy works"


def test_images_that_either_has_learned_from_are_left_out(world: World) -> None:
    world.challenge(0.7)
    seen = _Settings(learned_from=tuple(f"image-{number}" for number in range(4)))
    predictor = FakePredictor(0.8, seen)
    world.add(predictor)
    decision = challenge(world.registry, predictor, some_images(), SETTINGS, None, GOOD_RUN)  # type: ignore[arg-type]
    assert (decision["images"], decision["left_out"]) == (26, 4)
    everything = FakePredictor(0.8, _Settings(learned_from=tuple(f"image-{number}" for number in range(30))))
    world.add(everything)
    with pytest.raises(UserError, match="each of the 30 test images"):
        challenge(world.registry, everything, some_images(), SETTINGS, None, GOOD_RUN)  # type: ignore[arg-type]


def test_a_champion_with_other_classes_is_not_compared(world: World) -> None:
    world.challenge(0.7)
    with pytest.raises(UserError, match=r"has 1 classes and the challenger 3: .*`promotion\.model`"):
        world.challenge(0.8, classes=3)
    assert world.numbers()[0] == "1"


@pytest.mark.parametrize(
    ("found", "scores", "reason"),
    [
        (0.0, GOOD_RUN, "its iou_micro is 0.000 on 30 test images, below the least of 0.05"),
        (0.7, GOOD_RUN | {"base_predicts": "nothing"}, "its base model predicts nothing"),
        (
            0.7,
            {"gain": {"vs_best_free": {"method": "tta", "iou_micro": -0.007, "ci95": [-0.01, -0.004]}}},
            "it is worse than tta, which needs no training, by 0.70 points",
        ),
    ],
)
def test_a_model_that_is_not_good_enough_does_not_become_the_first_champion(
    world: World, found: float, scores: dict[str, Any], reason: str
) -> None:
    decision = world.challenge(found, scores=scores)
    assert (decision["outcome"], decision["promoted"], world.numbers()) == ("refused", False, (None, "1"))
    assert reason in decision["why"]
    assert "prn rollback roads --to 1" in decision["why"]
    assert world.tags("1")["decision"].startswith("refused: ")
    assert world.registry.roll_back("1") == ("none", "1"), "the remedy works"
    assert world.numbers()[0] == "1"


def test_the_champion_and_a_version_that_was_rolled_back_are_not_compared(world: World) -> None:
    world.challenge(0.7)
    world.challenge(0.8)
    same = world.challenge(0.8)
    assert (same["outcome"], same["promoted"]) == ("same", False)
    world.registry.roll_back()
    back = world.challenge(0.8)
    assert (back["outcome"], back["promoted"], world.numbers()[0]) == ("taken_back", False, "1")
    assert looks(world, "2") == 0


def test_a_champion_that_changes_meanwhile_is_compared_again_but_not_for_ever(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.challenge(0.7)
    promote, tries = Registry.promote, []

    def late(registry: Registry, *versions: Any) -> None:
        tries.append(versions)
        if len(tries) == 1:
            raise ChampionChangedError
        promote(registry, *versions)

    with monkeypatch.context() as patch:
        patch.setattr(Registry, "promote", late)
        assert world.challenge(0.8)["outcome"] == "promoted"
    assert (len(tries), looks(world, "1"), world.numbers()[0]) == (2, 1, "2")

    def never(*_: object) -> None:
        raise ChampionChangedError

    monkeypatch.setattr(Registry, "promote", never)
    with pytest.raises(UserError, match="model roads: the champion changed during each of 3 comparisons"):
        world.challenge(0.9)
    assert world.numbers()[0] == "2"
