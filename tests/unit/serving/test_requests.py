"""Requests to a server and its answers."""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.special import expit, logit

from prn_pipeline.data.file_settings import BandSettings
from prn_pipeline.errors import UserError
from prn_pipeline.refinement.region_detail.ensemble import FoldEnsemble
from prn_pipeline.refinement.region_detail.settings import RegionDetailSettings
from prn_pipeline.segmentation.map_import import read_maps
from prn_pipeline.segmentation.protocol import DatasetPlace
from prn_pipeline.segmentation.settings import BaseModelSettings
from prn_pipeline.segmentation.smp_model import BaseModel
from prn_pipeline.serving.item import Item
from prn_pipeline.serving.predictor import Predictor
from prn_pipeline.serving.requests import answer, columns_of
from prn_pipeline.serving.settings import PredictorSettings, RequestLimits
from tests.unit.serving.conftest import SMALL, map_predictor, random_predictor


def encoded(image: np.ndarray, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, kind)
    return file.getvalue()


def as_npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def picture(text: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))


def test_masks_are_those_of_the_predictor(predictor: Predictor, scenes: list[np.ndarray]) -> None:
    table = pd.DataFrame({"image": [encoded(scene) for scene in scenes]}, index=[5, 5, 9])
    found = answer(predictor, table, probabilities=True)
    predicted = predictor.predict(scenes)  # in one batch, because rounding may depend on the batch size
    for scene, expected, row in zip(scenes, predicted, found.itertuples(), strict=True):
        assert (picture(row.mask) == 255 * expected.mask).all()
        assert np.abs(picture(row.probabilities) / 65535 - expected.probabilities).max() < 1e-5
        assert (row.height, row.width) == scene.shape[:2]
        assert row.foreground == pytest.approx(expected.mask.mean())
    assert "probabilities" not in answer(predictor, table)


def test_the_type_of_a_file_is_recognised_by_its_first_bytes(predictor: Predictor, scenes: list[np.ndarray]) -> None:
    found = answer(predictor, pd.DataFrame({"image": [encoded(scenes[0], kind) for kind in ("PNG", "TIFF", "BMP")]}))
    assert found["mask"].nunique() == 1


def test_masks_of_several_classes_contain_class_ids(scenes: list[np.ndarray]) -> None:
    served = random_predictor(classes=3)
    found = answer(served, pd.DataFrame({"image": [encoded(scenes[1])]}), probabilities=True).iloc[0]
    assert (picture(found["mask"]) == served.predict(scenes[1])[0].mask).all()
    assert np.load(io.BytesIO(base64.b64decode(found["probabilities"]))).shape == (3, 50, 90)


def test_images_of_many_bands_are_sent_as_arrays() -> None:
    base = BaseModel(BaseModelSettings(architecture="Unet", encoder="tu-mobilenetv3_small_050", channels=4)).eval()
    refiner = FoldEnsemble(RegionDetailSettings.model_validate(SMALL)).eval()
    served = Predictor(base, refiner, PredictorSettings(image_size=64, bands=BandSettings(count=4, low=0, high=1000)))
    image = np.random.default_rng(0).integers(0, 1000, (40, 50, 4)).astype(np.uint16)
    found = answer(served, pd.DataFrame({"image": [as_npy(image)]})).iloc[0]
    assert (picture(found["mask"]) == 255 * served.predict(image)[0].mask).all()
    with pytest.raises(UserError, match=r"row 0: the file: an array of shape \(40, 50, 3\), expected"):
        answer(served, pd.DataFrame({"image": [as_npy(image[..., :3])]}))


def test_a_predictor_without_a_base_model_refines_maps_in_requests() -> None:
    maps = np.random.default_rng(0).random((40, 50)).astype(np.float32)
    found = answer(map_predictor(), pd.DataFrame({"map": [as_npy(maps)]})).iloc[0]
    assert (found["height"], found["width"]) == (40, 50)
    with pytest.raises(UserError, match="expected map"):
        answer(map_predictor(), pd.DataFrame({"image": [as_npy(maps)]}))
    with pytest.raises(UserError, match=r"not probabilities.*run \(`values`\): send them as that run had them"):
        answer(map_predictor(), pd.DataFrame({"map": [as_npy(8 * maps - 4)]}))
    with pytest.raises(UserError, match="expected image"):
        answer(map_predictor(inputs=("images",)), pd.DataFrame({"map": [as_npy(maps)]}))


def test_maps_of_requests_and_of_test_images_are_read_as_the_run_read_them(tmp_path: Path) -> None:
    maps = np.random.default_rng(0).random((40, 50)).astype(np.float32)
    usual = answer(map_predictor(), pd.DataFrame({"map": [as_npy(maps)]})).iloc[0]["mask"]
    image = encoded(np.zeros((40, 50, 3), np.uint8))
    (tmp_path / "set" / "maps").mkdir(parents=True)
    for stored, reading in (
        (1 - maps, {"foreground": 0}),
        (np.stack([1 - maps, maps]), {}),
        (np.stack([maps, 1 - maps], 2), {"foreground": 0}),
        (200 * maps, {"scale": 200}),
        (maps[:, ::-1], {"orientation": "left_right"}),
        (np.pad(maps, ((5, 5), (0, 0))), {"fit": "letterbox"}),
    ):
        served = map_predictor(**reading)
        found = answer(served, pd.DataFrame({"image": [image], "map": [as_npy(stored)]})).iloc[0]["mask"]
        assert (picture(found) == picture(usual)).mean() > 0.999, reading  # rounding of a probability at a threshold
        np.save(tmp_path / "set" / "maps" / "a.npy", stored)
        folder = served.base.map_folder(DatasetPlace("set", None, tmp_path))
        assert folder is not None
        assert np.abs(expit(read_maps(folder, "a", (40, 50), 1)[0].numpy()) - maps).max() < 1e-3, reading
    with pytest.raises(UserError, match=r"`fit: letterbox`\) without its image: send the column image too"):
        answer(map_predictor(fit="letterbox"), pd.DataFrame({"map": [as_npy(maps)]}))


def test_maps_without_an_image_are_turned_as_the_run_turned_them() -> None:
    maps = np.random.default_rng(0).random((40, 50)).astype(np.float32)
    usual = answer(map_predictor(), pd.DataFrame({"map": [as_npy(maps)]})).iloc[0]["mask"]
    for stored, orientation in (
        (maps.T, "transposed"),
        (maps[:, ::-1], "left_right"),
        (maps[::-1], "top_bottom"),
        (np.rot90(maps), "rotated_90"),
    ):
        served = map_predictor(orientation=orientation)
        found = answer(served, pd.DataFrame({"map": [as_npy(stored)]})).iloc[0]
        assert (found["height"], found["width"]) == (40, 50)
        assert (picture(found["mask"]) == picture(usual)).mean() > 0.999, orientation


@pytest.mark.parametrize("nothing", [None, float("nan")])
def test_an_image_that_a_map_predictor_does_not_need_may_be_missing_in_some_rows(nothing: Any) -> None:
    maps = np.random.default_rng(0).random((2, 40, 50)).astype(np.float32)
    table = pd.DataFrame({"map": [as_npy(one) for one in maps], "image": [nothing, nothing]}, dtype=object)
    table.loc[1, "image"] = encoded(np.zeros((80, 100, 3), np.uint8))
    found = answer(map_predictor(), table)
    assert found[["height", "width"]].to_numpy().tolist() == [[40, 50], [80, 100]]


@pytest.mark.parametrize("nothing", [None, float("nan"), ""])
def test_a_row_without_the_image_that_the_predictor_needs_is_named(
    predictor: Predictor, scenes: list[np.ndarray], nothing: Any
) -> None:
    for rows in ([encoded(scenes[0]), nothing], [nothing, nothing]):
        empty = rows.index(nothing)
        with pytest.raises(UserError, match=f"row {empty}: a value of type .*, expected the bytes of a file"):
            answer(predictor, pd.DataFrame({"image": pd.Series(rows, dtype=object)}))


def test_an_error_names_the_row_in_the_order_of_the_request() -> None:
    maps = as_npy(np.full((4, 4), 0.5, np.float32))
    table = pd.DataFrame({"map": [maps, b"garbage"]}, index=[7, 3])
    with pytest.raises(UserError, match=r"^row 1: the file"):
        answer(map_predictor(), table)


def test_an_answer_has_numbers_of_each_mask(scenes: list[np.ndarray]) -> None:
    served = random_predictor(classes=3)
    found = answer(served, pd.DataFrame({"image": [encoded(scene) for scene in scenes]}))
    assert list(found) == ["mask", "height", "width", "foreground"]
    for scene, row in zip(scenes, found.itertuples(), strict=True):
        assert (row.height, row.width) == scene.shape[:2]
        assert row.foreground == pytest.approx((picture(row.mask) != 0).mean())
    assert list(answer(served, pd.DataFrame({"image": [encoded(scenes[2])]}), True)) == [*found, "probabilities"]


@pytest.mark.parametrize("own", [True, False])
def test_a_request_is_refined_at_its_own_scale_if_it_says_so(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch, own: bool
) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(predictor, "examine", lambda items, at_own_scale=False: asked.append(at_own_scale) or [])
    answer(predictor, pd.DataFrame({"image": [GOOD]}), at_own_scale=own)
    answer(predictor, pd.DataFrame({"image": [GOOD]}))
    assert asked == [own, False]


def test_requests_at_the_limits_are_answered(predictor: Predictor) -> None:
    image = np.zeros((1000, 1000), np.uint8)
    image[0, 0] = 1
    content = encoded(image)
    assert len(content) < 2**20
    content += b" " * (2**20 - len(content))  # readers of PNG files stop at its end
    limits = RequestLimits(images=2, megapixels=1, megabytes=1)
    small = Predictor(predictor.base, predictor.refiner, predictor.settings.model_copy(update={"limits": limits}))
    assert answer(small, pd.DataFrame({"image": [content] * 2}))["height"].tolist() == [1000, 1000]
    wider = encoded(np.zeros((1000, 1001), np.uint8))
    with pytest.raises(UserError) as caught:
        answer(small, pd.DataFrame({"image": [wider]}))
    assert str(caught.value) == ("row 0: the file: 1001 x 1000 pixels, expected at most 1 million; cut it into tiles")
    with pytest.raises(UserError, match=r"^3 images, expected 1 to 2 in a request: send several requests$"):
        answer(small, pd.DataFrame({"image": [content] * 3}))


def test_columns_of_a_request_depend_on_what_the_networks_read(predictor: Predictor) -> None:
    assert columns_of(predictor) == {"image": True}
    assert columns_of(map_predictor()) == {"map": True, "image": False}
    assert columns_of(map_predictor(inputs=("images",))) == {"map": True, "image": True}


GOOD = encoded(np.zeros((8, 8, 3), np.uint8))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "row 0: a file of 0 bytes"),
        (b"garbage", "row 0: the file: not a readable picture"),
        (GOOD[:45], "row 0: the file: not a readable picture"),
        (1.5, "row 0: a value of type float64, expected the bytes of a file"),
        ("text", "row 0: a value of type str"),
        (as_npy(np.zeros((8, 8))), "row 0: the file: not a readable picture"),
        (encoded(np.zeros((3000, 3000), np.uint8)), "row 0: the file: 3000 x 3000 pixels, expected at most 1 million"),
        (b"II*\x00" + b"x" * 50, "row 0: the file: not a readable picture"),
        (b"x" * (2**20 + 1), "row 0: a file of 1048577 bytes, expected 1 to 1 MiB"),
    ],
)
def test_the_error_for_invalid_content_contains_no_path(predictor: Predictor, content: Any, message: str) -> None:
    limits = RequestLimits(images=3, megapixels=1, megabytes=1)
    small = Predictor(predictor.base, predictor.refiner, predictor.settings.model_copy(update={"limits": limits}))
    with pytest.raises(UserError) as caught:
        answer(small, pd.DataFrame({"image": [content]}))
    assert str(caught.value).startswith(message)
    assert "tmp" not in str(caught.value).lower()


@pytest.mark.parametrize("count", [0, 33])
def test_requests_without_images_or_with_too_many_are_rejected(predictor: Predictor, count: int) -> None:
    with pytest.raises(UserError, match=f"{count} images, expected 1 to 32"):
        answer(predictor, pd.DataFrame({"image": [GOOD] * count}))


def test_the_error_for_unknown_columns_names_the_expected_one(predictor: Predictor) -> None:
    with pytest.raises(UserError, match="columns picture, expected image"):
        answer(predictor, pd.DataFrame({"picture": [GOOD]}))


def test_requests_have_a_column_for_each_map_that_the_refiner_reads() -> None:
    block = {"maps": ["a", {"folder": "b", "scale": 100}], "tta": {"folder": "c", "foreground": 0}}
    base, second, flips = np.random.default_rng(0).random((3, 64, 64)).astype(np.float32)
    served = map_predictor(("several_maps", "tta"), **block)
    assert columns_of(served) == {"map": True, "map_2": True, "map_3": True, "image": False}
    assert columns_of(map_predictor(**block)) == {"map": True, "image": False}, "what it does not read is not sent"
    order = [array for array, places in served.further.items() for _ in places]
    files = {"several_maps": as_npy(100 * second), "tta": as_npy(1 - flips)}
    row = {"map": as_npy(base), **{f"map_{number}": files[array] for number, array in enumerate(order, start=2)}}
    found = answer(served, pd.DataFrame([row])).iloc[0]["mask"]
    further = {"several_maps": (logit(second)[None],), "tta": (logit(flips)[None],)}
    expected = next(served.examine([Item(None, logit(base)[None], further)])).predicted.mask
    assert np.mean((picture(found) == 255) == (expected == 1)) > 0.999
    with pytest.raises(UserError, match="columns map, expected map_2, map_3"):
        answer(served, pd.DataFrame({"map": [as_npy(base)]}))
