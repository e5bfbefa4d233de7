"""Statistics of images and maps, and distances between two sets of them."""

import itertools

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.special import logit
from scipy.stats import permutation_test

from prn_pipeline.metrics.descriptions import BINS, PATCHES, Descriptions, describe, names_of
from prn_pipeline.metrics.drift import Distance, distances, jensen_shannon, significant

NAMES = names_of(())


def drawn(count: int, seed: int, brightness: float = 1.0) -> Descriptions:
    """Noise images, and maps that predict foreground where they are bright."""
    draw = np.random.default_rng(seed)
    images = (draw.integers(0, 256, (count, 24, 24, 3)) * brightness).astype(np.uint8)
    base = logit(np.clip(images.mean(3) / 256, 0.01, 0.99)).astype(np.float16)[:, None]
    return describe(images, base, base + np.float16(0.5))


def test_descriptions_equal_plain_loops() -> None:
    draw = np.random.default_rng(0)
    images = draw.integers(0, 256, (2, 17, 24, 3), dtype=np.uint8)
    base, refined = (draw.normal(0, 2, (2, 1, 17, 24)).astype(np.float16) for _ in range(2))
    found = describe(images, base, refined)
    for number in range(2):
        before, after = (1 / (1 + np.exp(-maps[number, 0].astype(float))) for maps in (base, refined))
        grey = images[number].astype(float).mean(2) / 255
        steps = np.abs(grey[1:] - grey[:-1]).mean() + np.abs(grey[:, 1:] - grey[:, :-1]).mean()
        expected = {
            "brightness": grey.mean(),
            "contrast": grey.std(),
            "sharpness": steps,
            "confidence": np.abs(2 * before - 1).mean(),
            "correction": np.abs(after - before).mean(),
            "foreground": (before > 0.5).mean(),
        }
        assert dict(zip(NAMES, found.values[number], strict=True)) == pytest.approx(expected, abs=1e-5)
        for level in range(BINS):
            inside = (before >= level / BINS) & (before < (level + 1) / BINS)
            assert found.histograms[number, level] == pytest.approx(inside.mean(), abs=0.004)  # float32 at an edge
        rows, columns = (np.linspace(0, side, PATCHES, endpoint=False).astype(int).tolist() for side in (17, 24))
        for i, (top, bottom) in enumerate(zip(rows, [*rows[1:], 17], strict=True)):
            for j, (left, right) in enumerate(zip(columns, [*columns[1:], 24], strict=True)):
                mean = (after - before)[top:bottom, left:right].mean()
                assert found.corrections[number, 0, i, j] == pytest.approx(mean, abs=1e-5)


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 3), (5, 8)])
def test_narrow_images_have_finite_descriptions(shape: tuple[int, int]) -> None:
    """As a long road has, whose sample keeps its aspect."""
    draw = np.random.default_rng(2)
    images = draw.integers(0, 256, (2, *shape, 3), dtype=np.uint8)
    base, refined = (draw.normal(0, 2, (2, 1, *shape)).astype(np.float16) for _ in range(2))
    found = describe(images, base, refined)
    assert np.isfinite(found.values).all()
    change = (1 / (1 + np.exp(-refined.astype(float))) - 1 / (1 + np.exp(-base.astype(float))))[:, 0]
    starts = [[side * patch // PATCHES for patch in range(PATCHES)] for side in shape]
    ends = [
        [max(one + 1, following) for one, following in zip(ones, [*ones[1:], side], strict=True)]
        for ones, side in zip(starts, shape, strict=True)
    ]
    (tops, lefts), (bottoms, rights) = starts, ends
    for row, column in itertools.product(range(PATCHES), repeat=2):
        patch = change[:, tops[row] : bottoms[row], lefts[column] : rights[column]]
        np.testing.assert_allclose(found.corrections[:, 0, row, column], patch.mean((1, 2)), rtol=1e-4, atol=1e-6)


def test_maps_of_classes_give_the_share_of_each_class() -> None:
    maps = np.full((1, 3, 8, 8), -2, np.float16)
    maps[0, 0, :4], maps[0, 1, 4:6], maps[0, 2, 6:] = 2, 2, 2
    names = names_of(("sky", "road", "car"))
    shares = dict(zip(names, describe(None, maps, maps).values[0], strict=True))
    assert (shares["share of sky"], shares["share of road"], shares["share of car"]) == (0.5, 0.25, 0.25)
    assert np.isnan(shares["brightness"])


def test_images_of_one_distribution_rarely_differ_significantly() -> None:
    smallest = [min(one.p for one in distances(drawn(60, 2 * k), drawn(30, 2 * k + 1), NAMES)) for k in range(8)]
    assert np.mean(np.array(smallest) > 0.01) >= 0.75


def test_darker_images_differ_in_the_statistics_that_changed() -> None:
    found = {one.name: one for one in distances(drawn(60, 0), drawn(30, 1, brightness=0.5), NAMES)}
    assert found["brightness"].distance == 1
    assert found["brightness"].p < 1e-6
    assert found["foreground"].distance > 0.9
    assert found["confidence histogram"].p < 0.01
    assert found["confidence histogram"].distance > 0.2


def test_without_images_only_maps_are_compared() -> None:
    maps = np.random.default_rng(0).normal(0, 1, (12, 1, 16, 16)).astype(np.float16)
    without = describe(None, maps, maps)
    assert {one.name for one in distances(without, without, NAMES)} == {
        "confidence",
        "correction",
        "foreground",
        "confidence histogram",
        "patch bias",
    }
    assert all(one.distance == 0 for one in distances(without, without, NAMES))


def test_names_say_what_each_value_is() -> None:
    assert names_of(()) == ("brightness", "contrast", "sharpness", "confidence", "correction", "foreground")
    assert names_of(("a", "b"))[5:] == ("share of a", "share of b")


def test_histograms_without_a_common_bin_are_at_distance_one() -> None:
    low, high = (describe(None, *2 * [np.full((4, 1, 16, 16), value, np.float16)]) for value in (-6, 6))
    found = {one.name: one.distance for one in distances(low, high, NAMES)}
    assert found["confidence histogram"] == pytest.approx(1)
    assert found["foreground"] == 1


def test_p_of_few_images_is_the_share_of_all_splits_that_are_as_far_apart() -> None:
    rng = np.random.default_rng(3)
    maps = rng.normal(np.arange(7)[:, None, None, None] / 5, 1, (7, 1, 16, 16)).astype(np.float16)
    some = describe(None, maps, maps)
    parts = [Descriptions(*(values[rows] for values in some)) for rows in ([0, 1, 2], [3, 4, 5, 6])]
    found = {one.name: one for one in distances(*parts, NAMES)}["confidence histogram"]

    def apart(rows: tuple[int, ...]) -> float:
        p, q = (some.histograms[list(of)].astype(float).mean(0) for of in (rows, set(range(7)) - set(rows)))
        mean = (p + q) / 2
        divergence = [np.sum(one * np.log2(np.maximum(one, 1e-12) / np.maximum(mean, 1e-12))) for one in (p, q)]
        return float(np.sqrt(sum(divergence) / 2))

    splits = [apart(rows) for rows in itertools.combinations(range(7), 3)]
    assert found.distance == pytest.approx(apart((0, 1, 2)), abs=1e-6)
    assert found.p == pytest.approx(np.mean(np.array(splits) >= apart((0, 1, 2)) - 1e-9), rel=0.6)
    assert 0 < found.p < 1


def test_jensen_shannon_equals_that_of_scipy() -> None:
    draw = np.random.default_rng(0)
    one, other = (draw.dirichlet(np.full(BINS, 0.3), 9) for _ in range(2))
    np.testing.assert_allclose(jensen_shannon(one, other), jensenshannon(one, other, base=2, axis=1))
    assert jensen_shannon(one, one).tolist() == [0] * 9


@pytest.mark.parametrize(("count", "brightness"), [(12, 1.0), (12, 0.97), (30, 0.97)])
def test_p_of_histograms_agrees_with_the_permutation_test_of_scipy(count: int, brightness: float) -> None:
    before, after = drawn(40, 0), drawn(count, 1, brightness)
    pooled = np.concatenate([before.histograms, after.histograms]).astype(np.float64)

    def distance(one: np.ndarray, other: np.ndarray) -> float:
        return float(jensenshannon(pooled[one].mean(0), pooled[other].mean(0), base=2))

    rows = (np.arange(40), np.arange(40, 40 + count))
    expected = permutation_test(rows, distance, alternative="greater", n_resamples=999, vectorized=False, rng=1).pvalue
    found = {one.name: one.p for one in distances(before, after, NAMES)}["confidence histogram"]
    assert found == pytest.approx(expected, rel=0.7, abs=0.005)  # both are estimates


def of_classes(draw: np.random.Generator, count: int, classes: int, brightness: float = 1.0) -> Descriptions:
    """Descriptions of independent images, drawn without images and maps."""
    names = names_of([f"class {one}" for one in range(classes)] if classes > 1 else ())
    values = draw.normal(0.5, 0.05, (count, len(names)))
    values[:, NAMES.index("brightness")] *= brightness
    histograms = draw.dirichlet(np.ones(BINS), count)
    corrections = draw.normal(0, 0.1, (count, classes, PATCHES, PATCHES))
    return Descriptions(*(array.astype(np.float32) for array in (values, histograms, corrections)))


@pytest.mark.parametrize("classes", [1, 4, 11])
def test_alarms_are_rarely_false_and_a_fifth_less_light_is_found(classes: int) -> None:
    draw = np.random.default_rng(classes)
    names = names_of([f"class {one}" for one in range(classes)] if classes > 1 else ())
    alarms = {1.0: 0, 0.8: 0}
    for _ in range(60):
        reference = of_classes(draw, 100, classes)
        for brightness in alarms:
            compared = distances(reference, of_classes(draw, 20, classes, brightness), names)
            alarms[brightness] += bool(significant(compared, level=0.01, least=0.2))
    assert alarms[1.0] <= 3
    assert alarms[0.8] >= 57


@pytest.mark.parametrize("classes", [1, 4, 40])
def test_other_maps_are_significant_however_many_classes_there_are(classes: int) -> None:
    draw = np.random.default_rng(0)
    names = names_of([f"class {one}" for one in range(classes)] if classes > 1 else ())
    before, after = of_classes(draw, 50, classes), of_classes(draw, 20, classes)
    confident = after.histograms.copy()
    confident[:, 0] += 9
    other = after._replace(histograms=confident / 10, corrections=after.corrections + np.float32(0.3))
    found = {one.name for one in significant(distances(before, other, names), level=0.01, least=0.2)}
    assert found == {"confidence histogram", "patch bias"}


def test_the_level_is_shared_by_all_tests_and_small_distances_are_ignored() -> None:
    compared = [Distance("a", 0.3, 0.005), Distance("b", 0.3, 0.0051), Distance("c", 0.1, 0.0001)]
    assert [one.name for one in significant(compared[:2], level=0.01, least=0.2)] == ["a"]
    assert [one.name for one in significant(compared, level=0.0154, least=0.2)] == ["a", "b"]
    assert [one.name for one in significant(compared, level=0.0154, least=0.1)] == ["a", "b", "c"]
    assert significant(compared, level=0.0149, least=0.2) == []
