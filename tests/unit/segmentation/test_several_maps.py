"""Several maps of an image from elsewhere: of several models, and of the passes of TTA."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from pydantic import ValidationError
from scipy.special import expit

from prn_pipeline.data.readers.map_reading import MapReading
from prn_pipeline.data.store.map_manifest import NO_MAP
from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.errors import UserError
from prn_pipeline.segmentation.map_checks.check import check_maps
from prn_pipeline.segmentation.map_files import MapFiles
from prn_pipeline.segmentation.map_inputs import mean_and_spread
from prn_pipeline.segmentation.map_places import MapPlace, OneMap, labels_of
from prn_pipeline.segmentation.protocol import CacheRequest, DatasetPlace, MapCache
from prn_pipeline.segmentation.registry import read_base_settings
from prn_pipeline.segmentation.settings import MapFilesSettings
from prn_pipeline.training.tiling import Tiles


def settings(**keys: Any) -> MapFilesSettings:
    return MapFilesSettings.model_validate({"kind": "maps", "values": "logits", **keys})


def write(samples: Samples, folder: Path, maps: np.ndarray, splits: tuple[str, ...] = ("train", "val", "test")) -> None:
    folder.mkdir(parents=True)
    for row in samples.rows(splits):
        np.save(folder / f"{samples.manifest['sample_id'][row]}.npy", maps[row])


def cached(samples: Samples, root: Path, keep: tuple[str, ...] = ("tta",), **keys: Any) -> MapCache:
    request = CacheRequest("holdout", {}, 1, keep, Tiles(), DatasetPlace("set", None, root))
    return MapFiles(settings(**keys)).map_cache(samples, samples.manifest, request)


def made(cache: MapCache) -> dict[str, np.ndarray]:
    batches = list(cache.make(np.arange(len(cache.manifest))))
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


@pytest.fixture
def logits(bright_squares: Samples) -> np.ndarray:
    return bright_squares.array("logits", slice(None)).astype(np.float32)  # type: ignore[arg-type]


def test_a_map_is_a_folder_or_a_block_of_what_differs_from_the_other_maps() -> None:
    block = settings(
        values="probabilities",
        scale=255,
        fit="letterbox",
        maps=["a", {"folder": "b", "scale": 100, "foreground": 2}, {"folder": "c", "values": "logits"}],
        tta=[{"folder": "d", "orientation": "left_right"}],
    )
    common = {"values": "probabilities", "scale": 255, "fit": "letterbox"}
    assert block.places == (
        MapPlace.model_validate({"folder": "a", **common}),
        MapPlace.model_validate({"folder": "b", **common, "scale": 100, "foreground": 2}),
        MapPlace.model_validate({"folder": "c", "values": "logits", "fit": "letterbox"}),
    )
    assert block.passes == (MapPlace.model_validate({"folder": "d", **common, "orientation": "left_right"}),)
    assert block.available_inputs == ("several_maps", "tta")
    assert read_base_settings(block.model_dump(mode="json")) == block, "a stored base model is read back as it was"


def test_a_block_of_one_folder_is_stored_as_before_and_has_no_further_inputs() -> None:
    assert {"maps", "tta"}.isdisjoint(settings().model_dump())
    assert settings().available_inputs == ()
    assert settings(maps=["a"]).available_inputs == ()
    assert settings(tta="b").available_inputs == ("tta",)


def test_one_map_has_every_key_of_a_reading() -> None:
    assert set(OneMap.model_fields) == {"folder", "name", *MapReading.model_fields}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"folder": "a", "maps": ["b", "c"]}, "folder is a, but `maps` lists the folders: make it the first of them"),
        ({"maps": ["a", "b", "a"]}, "a is listed twice and read alike"),
        ({"maps": ["a", "b"], "tta": "a"}, "a is listed twice and read alike"),
        ({"maps": ["a", {"folder": "b", "scales": 3}]}, "scales"),
        ({"maps": ["a", "../b"]}, "maps.1"),
        ({"maps": ["a", {"folder": "b", "scale": 3}]}, "scale is 3, but logits have no scale"),
    ],
)
def test_maps_that_contradict_each_other_are_refused(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        settings(**keys)


@pytest.mark.parametrize(
    ("folders", "labels"),
    [
        (["maps/isnet_512.npz", "maps/isnet-1024"], ["isnet_512", "isnet_1024"]),
        (["a/maps", "b/maps"], ["a_maps", "b_maps"]),
        (["maps", "maps"], ["maps_1", "maps_2"]),
        (["maps/*.npy", "other"], ["map", "other"]),
    ],
)
def test_labels_are_short_different_and_fit_into_names(folders: list[str], labels: list[str]) -> None:
    places = [MapPlace(folder=folder, foreground=number) for number, folder in enumerate(folders)]
    assert labels_of(places) == labels


def test_the_mean_over_models_and_each_further_model_are_stored_beside_the_first(
    bright_squares: Samples, logits: np.ndarray, tmp_path: Path
) -> None:
    write(bright_squares, tmp_path / "set" / "a", logits)
    write(bright_squares, tmp_path / "set" / "b", -0.5 * logits)
    grey = np.rint(255 * expit(2 * logits)).astype(np.uint8)
    write(bright_squares, tmp_path / "set" / "c", np.kron(grey, np.ones((2, 2), np.uint8)))  # a larger map
    third = {"folder": "c", "values": "probabilities"}
    cache = cached(bright_squares, tmp_path, maps=["a", "b", third], check="skip")
    found = made(cache)
    assert cache.attributes == {"several_maps": ["a", "b", "c"]}
    assert len(set(cache.models.values())) == 3
    assert np.array_equal(found["logits"], logits.astype(np.float16))
    mean, second, last = np.moveaxis(found["several_maps"], 1, 0)
    assert np.array_equal(second, (-0.5 * logits).astype(np.float16))
    inner = np.abs(logits) < 1.5  # where 8 bits are fine enough
    assert np.abs(last - 2 * logits)[inner].mean() < 0.4, "resized to the samples"
    by_hand = (logits + (-0.5 * logits) + last.astype(np.float32)) / 3
    assert_allclose(mean, by_hand, rtol=0, atol=2e-3, equal_nan=False)


def test_the_passes_of_tta_are_turned_back_and_averaged_with_the_first_map(
    bright_squares: Samples, logits: np.ndarray, tmp_path: Path
) -> None:
    draw = np.random.default_rng(1)
    left_right, top_bottom = (logits + draw.normal(0, 1, logits.shape).astype(np.float32) for _ in range(2))
    write(bright_squares, tmp_path / "set" / "a", logits)
    write(bright_squares, tmp_path / "set" / "lr", left_right[..., ::-1])
    write(bright_squares, tmp_path / "set" / "tb", top_bottom[:, ::-1])
    passes = [{"folder": "lr", "orientation": "left_right"}, {"folder": "tb", "orientation": "top_bottom"}]
    found = made(cached(bright_squares, tmp_path, folder="a", tta=passes))
    every = np.stack([logits, left_right, top_bottom])
    assert_allclose(found["tta"][:, 0], every.mean(0), rtol=0, atol=5e-3, equal_nan=False)
    assert_allclose(found["tta"][:, 1], every.std(0), rtol=0, atol=5e-3, equal_nan=False)
    assert "tta" not in made(cached(bright_squares, tmp_path, keep=(), folder="a", tta=passes))


def test_a_single_folder_of_tta_is_the_mean_and_the_spread_is_its_distance_from_the_first_map(
    bright_squares: Samples, logits: np.ndarray, tmp_path: Path
) -> None:
    write(bright_squares, tmp_path / "set" / "a", logits)
    write(bright_squares, tmp_path / "set" / "flips", logits - 0.5)
    found = made(cached(bright_squares, tmp_path, folder="a", tta="flips"))
    assert_allclose(found["tta"][:, 0], logits - 0.5, rtol=0, atol=5e-3, equal_nan=False)
    assert_allclose(found["tta"][:, 1], np.full_like(logits, 0.5), rtol=0, atol=5e-3, equal_nan=False)
    one = np.float16([[1.0]])
    assert mean_and_spread(one, [np.float16([[3.0]])], given_mean=False).ravel().tolist() == [2.0, 1.0]


def test_a_missing_map_is_an_error_that_names_its_folder_unless_the_model_has_seen_the_image(
    bright_squares: Samples, logits: np.ndarray, tmp_path: Path
) -> None:
    write(bright_squares, tmp_path / "set" / "a", logits)
    write(bright_squares, tmp_path / "set" / "b", -logits, ("val", "test"))
    with pytest.raises(UserError, match=r"set/b: 12 of 12 samples in train have no map"):
        cached(bright_squares, tmp_path, maps=["a", "b"])
    cache = cached(bright_squares, tmp_path, maps=["a", "b"], seen=["train"])
    train = bright_squares.rows(["train"])
    assert set(cache.manifest["model"].iloc[train]) == {NO_MAP}
    assert not made(cache)["logits"][train].any()


def test_invalid_maps_are_an_error_that_names_their_folder(
    bright_squares: Samples, logits: np.ndarray, tmp_path: Path
) -> None:
    write(bright_squares, tmp_path / "set" / "a", logits)
    write(bright_squares, tmp_path / "set" / "b", np.full_like(logits, np.nan))
    with pytest.raises(UserError, match=r"set/b: maps are invalid"):
        made(cached(bright_squares, tmp_path, maps=["a", "b"]))


@pytest.mark.parametrize("wrong", ["maps", "tta"])
def test_every_map_is_compared_with_the_truth_and_a_wrong_one_is_named(
    bright_squares: Samples, logits: np.ndarray, tmp_path: Path, wrong: str
) -> None:
    write(bright_squares, tmp_path / "set" / "a", logits)
    write(bright_squares, tmp_path / "set" / "b", -logits)
    keys = {"maps": ["a", "b"]} if wrong == "maps" else {"folder": "a", "tta": "b"}

    def check(**more: Any) -> None:
        place = DatasetPlace("set", None, tmp_path)
        cache = cached(bright_squares, tmp_path, **(keys | more))
        check_maps(MapFiles(settings(**(keys | more))), cache, bright_squares, place)

    with pytest.raises(UserError, match=r"set/b: .*Set `foreground: 0`, in the block of these maps\. \("):
        check()
    right = {"folder": "b", "foreground": 0}
    check(**({"maps": ["a", right]} if wrong == "maps" else {"tta": right}))


def test_two_folders_of_the_same_maps_are_a_warning(
    bright_squares: Samples, logits: np.ndarray, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("a", "b"):
        write(bright_squares, tmp_path / "set" / name, logits)
    with caplog.at_level(logging.WARNING):
        cached(bright_squares, tmp_path, maps=["a", "b"])
    assert "set/a and " in caplog.text
    assert "set/b hold the same maps" in caplog.text
