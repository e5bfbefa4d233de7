"""Boosted trees: what they learn, what they are made of, and that every way to evaluate them agrees."""

from itertools import product

import numpy as np
import pytest
import torch
from sklearn.tree import DecisionTreeRegressor
from torch import Tensor

from prn_pipeline.errors import UserError
from prn_pipeline.refinement.region_detail.correction import Correction
from prn_pipeline.refinement.region_detail.correction_strength import RefinedBatch
from prn_pipeline.refinement.trees.boosting import Boosted, Pixels, boost
from prn_pipeline.refinement.trees.calibrated_guard import CalibratedTuner
from prn_pipeline.refinement.trees.colours import LEAST_VARIANCE, misfit
from prn_pipeline.refinement.trees.context import context_features
from prn_pipeline.refinement.trees.ensemble import TreeEnsemble, Trees
from prn_pipeline.refinement.trees.pyramid import averages
from prn_pipeline.refinement.trees.settings import TreesSettings

#: Models whose maps are several_maps.
MODELS = 3


def settings(**changes: object) -> TreesSettings:
    small = {"network": "trees", "trees": 30, "depth": 2, "members": 2}
    several = {"several_maps_channels": MODELS} if "several_maps" in changes.get("inputs", ()) else {}  # type: ignore[operator]
    return TreesSettings.model_validate(small | several | changes)


def true_logits(features: np.ndarray) -> np.ndarray:
    return features[0] + 4 * (features[2] > 1)


def entropy(logits: np.ndarray, targets: np.ndarray) -> float:
    return float((np.logaddexp(0, logits) - targets * logits).mean())


def pixels(count: int = 4000, images: int = 8, seed: int = 0) -> Pixels:
    """The base logit is calibrated, but where feature 2 is above 1 it is too low by 4."""
    draw = np.random.default_rng(seed)
    features = draw.normal(size=(4, count)).astype(np.float32)
    truth = draw.random(count) < 1 / (1 + np.exp(-true_logits(features)))
    return Pixels(features, truth.astype(float), np.ones(count), draw.integers(0, images, count))


def applied(trees: Boosted, features: np.ndarray) -> np.ndarray:
    """The sum of all trees, pixel by pixel."""
    total = np.zeros(features.shape[1])
    for asked, limits, values in zip(*trees[:3], strict=True):
        for pixel in range(features.shape[1]):
            answers = [features[f, pixel] > limit for f, limit in zip(asked, limits, strict=True)]
            total[pixel] += values[int("".join(str(int(answer)) for answer in answers), 2)]
    return total


def random_trees(inputs: tuple[str, ...] = ("images",), **changes: object) -> Trees:
    generator = torch.Generator().manual_seed(0)
    trees = Trees(settings(inputs=inputs, depth=3, trees=60, **changes))
    trees.asked.copy_(torch.randint(0, 12, trees.asked.shape, generator=generator))
    trees.limits.copy_(torch.rand(trees.limits.shape, generator=generator))
    trees.values.data.copy_(torch.randn(trees.values.shape, generator=generator))
    return trees.eval()


def maps_of(inputs: tuple[str, ...], side: int = 64) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    known = {
        "logits": 3 * torch.randn(2, 1, side, side, generator=generator),
        "tta": torch.randn(2, 2, side, side, generator=generator).abs(),
        "images": torch.randint(0, 256, (2, 3, side, side), dtype=torch.uint8, generator=generator),
        "several_maps": 3 * torch.randn(2, MODELS, side, side, generator=generator),
    }
    return [known[name] for name in ("logits", *inputs)]


def test_boosting_finds_where_the_base_model_is_wrong() -> None:
    learned, new = pixels(), pixels(seed=1)
    trees = boost(learned, np.ones(4000, bool), settings(penalty=5.0, learning_rate=0.3), 0)
    base, best = entropy(new.features[0], new.targets), entropy(true_logits(new.features), new.targets)
    found = entropy(new.features[0] + applied(trees, new.features), new.targets)
    assert found < best + 0.1 * (base - best), "nine tenths of what can be gained on new pixels"
    known = entropy(learned.features[0] + applied(trees, learned.features), learned.targets)
    assert trees.losses[-1, 0] == pytest.approx(known, abs=1e-3)


def test_the_first_tree_asks_what_a_regression_tree_asks() -> None:
    """One question about all features over all images: the best split of the residuals, as scikit-learn finds it."""
    learned = pixels()
    one = settings(trees=1, depth=1, image_share=1.0, feature_share=1.0, penalty=1e-6)
    trees = boost(learned, np.ones(4000, bool), one, 0)
    probabilities = 1 / (1 + np.exp(-learned.features[0].astype(float)))
    curvatures = probabilities * (1 - probabilities)
    steps = (learned.targets - probabilities) / curvatures
    oracle = DecisionTreeRegressor(max_depth=1).fit(learned.features.T, steps, sample_weight=curvatures).tree_
    assert trees.asked[0, 0] == oracle.feature[0] == 2
    assert trees.limits[0, 0] == pytest.approx(oracle.threshold[0], abs=0.15), "up to the width of a bin"
    assert trees.values[0] == pytest.approx(0.1 * oracle.value[1:, 0, 0], rel=0.1)


def test_pixels_that_are_left_out_change_nothing() -> None:
    learned = pixels()
    learn = learned.images != 3
    turned = learned._replace(targets=np.where(learn, learned.targets, 1 - learned.targets))
    first, second = (boost(one, learn, settings(), 0) for one in (learned, turned))
    assert all((a == b).all() for a, b in zip(first[:3], second[:3], strict=True))
    assert (first.losses[:, 0] == second.losses[:, 0]).all()
    assert (first.losses[:, 1] != second.losses[:, 1]).all(), "the loss of those left out is measured on them"


def test_weights_count_like_repeated_pixels() -> None:
    learned = pixels(1000, images=1)
    learned = learned._replace(features=np.round(learned.features))  # the same bins, whatever the number of pixels
    twice = Pixels(*(np.concatenate([part, part[..., :500]], axis=-1) for part in learned))
    weighted = learned._replace(weights=np.where(np.arange(1000) < 500, 2.0, 1.0))
    whole = {"image_share": 1.0, "trees": 1, "depth": 1, "feature_share": 1.0, "penalty": 1e-6}
    a, b = (boost(one, np.ones(len(one.targets), bool), settings(**whole), 0) for one in (twice, weighted))
    assert a.asked == b.asked == 2
    assert a.values == pytest.approx(b.values, rel=1e-3)


def test_the_kernel_and_the_exported_form_agree_with_one_pixel_at_a_time() -> None:
    trees = random_trees()
    features = torch.rand(1, 12, 4, 8)
    by_hand = applied(Boosted(*(part.numpy() for part in (trees.asked, trees.limits, trees.values.data)), np.zeros(0)),
                      features[0].flatten(1).numpy())  # fmt: skip
    columns = features[0].flatten(1)
    assert trees._by_torch(columns).numpy() == pytest.approx(by_hand, abs=1e-4)
    assert trees.correction(features).flatten().numpy() == pytest.approx(by_hand, abs=1e-4)


@pytest.mark.parametrize(
    ("inputs", "stride"), [*product([(), ("images",), ("tta", "images"), ("images", "several_maps")], [1, 2, 4])]
)
def test_an_ensemble_is_the_mean_of_its_members(inputs: tuple[str, ...], stride: int) -> None:
    ensemble = TreeEnsemble(settings(inputs=inputs, depth=3, trees=60, stride=stride)).eval()
    for number, member in enumerate(ensemble.members):
        member.load_state_dict(random_trees(inputs, stride=stride).state_dict())
        member.values.data.mul_(number)
    maps = maps_of(inputs)
    expected = torch.stack([member(*maps).final for member in ensemble.members]).mean(0)
    torch.testing.assert_close(ensemble(*maps), expected, atol=1e-4, rtol=1e-4)
    assert (ensemble(*maps) - ensemble.start(*maps)).abs().max() > 0.1


@pytest.mark.parametrize("inputs", [(), ("tta", "images"), ("several_maps",)])
def test_an_untrained_ensemble_changes_nothing(inputs: tuple[str, ...]) -> None:
    maps = maps_of(inputs)
    ensemble = TreeEnsemble(settings(inputs=inputs)).eval()
    assert torch.equal(ensemble(*maps), maps[1][:, :1] if inputs else maps[0])


def test_features_do_not_depend_on_the_other_maps_of_a_batch_and_are_finite() -> None:
    logits, tta, images = maps_of(("tta", "images"))
    images[1], logits[1] = 255, -20.0  # a flat image with an empty map
    both = context_features(logits, {"tta": tta, "images": images}, 2)
    alone = context_features(logits[1:], {"tta": tta[1:], "images": images[1:]}, 2)
    assert torch.isfinite(both).all()
    torch.testing.assert_close(both[1:], alone)


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_the_misfit_of_a_colour_is_that_of_a_normal_distribution(channels: int) -> None:
    generator = torch.Generator().manual_seed(0)
    image, weights = (torch.rand(1, c, 16, 16, generator=generator) for c in (channels, 1))
    x, w = image.flatten(2)[0].T, weights.flatten()
    total = w.sum() + 1
    centre = (w[:, None] * x).sum(0) / total
    covariance = ((x - centre) * w[:, None]).T @ (x - centre) / total + LEAST_VARIANCE * torch.eye(channels)
    normal = torch.distributions.MultivariateNormal(centre, covariance)
    expected = -2 * normal.log_prob(x) - channels * torch.log(torch.tensor(2 * torch.pi))
    torch.testing.assert_close(misfit(image, weights).flatten(), expected, atol=1e-3, rtol=1e-3)


def test_averages_keep_a_constant_and_the_mean() -> None:
    maps = torch.rand(1, 2, 32, 32)
    for size, average in zip((2, 8, 16), averages(maps, (2, 8, 16)), strict=True):
        assert average.shape == maps.shape
        centres = average[..., size // 2 - 1 : size // 2 + 1, size // 2 - 1 : size // 2 + 1].mean((2, 3))
        assert (centres - maps[..., :size, :size].mean((2, 3))).abs().max() < 0.1
    assert torch.allclose(averages(torch.ones(1, 1, 32, 32), (8,))[0], torch.ones(1, 1, 32, 32))


def test_maps_of_another_size_and_missing_inputs_are_refused() -> None:
    ensemble = TreeEnsemble(settings(inputs=("images",))).eval()
    logits, images = maps_of(("images",), side=40)
    with pytest.raises(UserError, match="maps are 40 x 40; this refiner needs multiples of 32"):
        ensemble(logits, images)
    with pytest.raises(UserError, match="reads logits, images, in this order, but was given 1 inputs"):
        ensemble.members[0](logits)
    ensemble = TreeEnsemble(settings(inputs=("several_maps",))).eval()
    logits, several = maps_of(("several_maps",))
    with pytest.raises(UserError, match="has learned from the maps of 3 models, but was given those of 2"):
        ensemble(logits, several[:, :2])


def test_trees_may_ask_what_each_model_says_and_where_models_disagree() -> None:
    logits, several = maps_of(("several_maps",), side=32)
    features = context_features(logits, {"several_maps": several}, 1)
    single = torch.cat([logits, several[:, 1:]], 1)
    asked = {"each map": single[:, 2], "spread": single.sigmoid().amax(1) - single.sigmoid().amin(1)}
    for name, values in asked.items():
        assert any(torch.allclose(features[:, k], values) for k in range(features.shape[1])), name
    assert torch.equal(features[:, 0], several[:, 0]), "the mean is what is corrected"


def counted(base: Tensor, refined: Tensor, masks: Tensor) -> Correction:
    tuner = CalibratedTuner(2)
    for number in range(len(masks)):
        part = slice(number, number + 1)
        tuner.update(RefinedBatch(base[part], base[part], refined[part], masks[part], number % 2))
    return tuner.best().correction


def calibrated(spread: float, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Logits, and masks drawn with their probabilities."""
    generator = torch.Generator().manual_seed(seed)
    logits = spread * torch.randn(12, 1, 48, 48, generator=generator)
    return logits, (torch.rand(12, 48, 48, generator=generator) < logits.sigmoid()[:, 0]).to(torch.uint8)


@pytest.mark.parametrize("spread", [0.5, 1.5, 3.0])
def test_the_threshold_of_calibrated_logits_is_the_best_of_all(spread: float) -> None:
    refined, masks = calibrated(spread)
    chosen = counted(torch.randn(refined.shape), refined, masks)
    assert (chosen.start, chosen.strength, chosen.rankseg) == (1, 1, 0)

    def iou(shift: float) -> float:
        predicted, truth = refined[:, 0] + shift > 0, masks == 1
        return float((predicted & truth).sum() / (predicted | truth).sum())

    assert iou(chosen.shift) > max(iou(float(shift)) for shift in np.arange(-4, 4, 0.125)) - 0.003


def test_a_correction_that_makes_maps_worse_is_given_up() -> None:
    base, masks = calibrated(2.0)
    chosen = counted(base, base + 2 * torch.randn(base.shape), masks)
    assert chosen.strength == 0


def test_a_loss_within_the_noise_of_few_maps_does_not_give_a_correction_up() -> None:
    """Half of the maps gain, half lose a little more: a difference that three maps say nothing about."""
    base, masks = calibrated(2.0)
    refined = base.clone()
    refined[::2] += 6 * (masks[::2, None].float() - 0.5)
    refined[1::2] -= 2.2 * (masks[1::2, None].float() - 0.5)
    assert counted(base, refined, masks).strength == 1


@pytest.mark.parametrize("frames", [1, 10])
def test_frames_of_one_video_say_as_much_about_new_videos_as_one_of_them(frames: int) -> None:
    base, masks = calibrated(2.0)
    refined = base.clone()
    refined[::2] += 6 * (masks[::2, None].float() - 0.5)
    refined[1::2] -= 3 * (masks[1::2, None].float() - 0.5)
    tuner, alone = CalibratedTuner(2), CalibratedTuner(2)
    for _ in range(frames):
        for video in range(len(masks)):
            one = (base[[video]], base[[video]], refined[[video]], masks[[video]], video % 2)
            tuner.update(RefinedBatch(*one, groups=[f"video {video}"]))
            alone.update(RefinedBatch(*one))
    assert tuner.best().correction.strength == 1
    assert alone.best().correction.strength == (1 if frames == 1 else 0)
