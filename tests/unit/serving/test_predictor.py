"""The predictor gives the same masks for every form of input, saved and loaded, and from several threads."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import prn_pipeline
from prn_pipeline.data.file_settings import BandSettings
from prn_pipeline.errors import UserError
from prn_pipeline.refinement.patch_refine_net.refiner import PaperRefiner
from prn_pipeline.refinement.patch_refine_net.settings import PatchRefineNetSettings
from prn_pipeline.refinement.region_detail.ensemble import FoldEnsemble
from prn_pipeline.refinement.region_detail.settings import RegionDetailSettings
from prn_pipeline.segmentation.registry import build_base_model
from prn_pipeline.segmentation.settings import BaseModelSettings, FewShotSettings
from prn_pipeline.segmentation.smp_model import BaseModel
from prn_pipeline.serving.item import Item
from prn_pipeline.serving.predictor import Predictor
from prn_pipeline.serving.settings import PredictorSettings
from tests.unit.serving.conftest import map_predictor, random_predictor, random_refiner

RNG = np.random.default_rng(0)
IMAGES = [RNG.integers(0, 256, (*size, 3), dtype=np.uint8) for size in ((64, 64), (50, 90), (33, 20))]


def test_every_form_of_an_image_gives_the_same_mask_at_native_size(tmp_path: Path) -> None:
    served = random_predictor()
    files = []
    for number, image in enumerate(IMAGES):
        files.append(tmp_path / f"{number}.png")
        Image.fromarray(image).save(files[-1])
    arrays = served.predict(IMAGES)
    for image, found in zip(IMAGES, arrays, strict=True):
        assert found.mask.shape == found.probabilities.shape == image.shape[:2]
        assert found.mask.dtype == np.uint8
        assert ((found.probabilities > 0.5) == (found.mask == 1)).all()
        assert np.ptp(found.probabilities) > 0
    for again in (served.predict(files), served.predict(tmp_path), served.predict([str(file) for file in files])):
        assert all((a.mask == b.mask).all() for a, b in zip(arrays, again, strict=True))
    assert (served.predict(np.stack([IMAGES[0]] * 2))[1].mask == served.predict(IMAGES[0])[0].mask).all()


def test_a_saved_predictor_makes_the_same_predictions(tmp_path: Path) -> None:
    served = random_predictor()
    served.save(tmp_path / "model")
    loaded = prn_pipeline.Predictor.load(tmp_path / "model")
    for a, b in zip(served.predict(IMAGES), loaded.predict(IMAGES), strict=True):
        assert (a.probabilities == b.probabilities).all()
    assert not list(tmp_path.glob("*partial*"))


def test_masks_of_several_classes_contain_ids_and_probabilities_sum_to_one() -> None:
    found = random_predictor(classes=3).predict(IMAGES[1])[0]
    assert found.probabilities.shape == (3, 50, 90)
    assert found.probabilities.sum(0) == pytest.approx(1, abs=1e-5)
    assert set(np.unique(found.mask)) <= {0, 1, 2}


def test_a_large_scene_is_refined_at_its_own_scale() -> None:
    scene = RNG.integers(0, 256, (150, 210, 3), dtype=np.uint8)
    found = random_predictor(tile=96).predict(scene, at_own_scale=True)[0]
    assert found.mask.shape == (150, 210)
    assert np.isfinite(found.probabilities).all()
    same_size = random_predictor().predict(IMAGES[0], at_own_scale=True)[0]
    assert (same_size.mask == random_predictor().predict(IMAGES[0])[0].mask).all(), "of the size of training images"


@pytest.mark.parametrize(
    "wrong", [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3), np.float32), np.zeros((8, 8, 4), np.uint8)]
)
def test_the_error_for_an_array_that_is_not_an_image_gives_its_index(wrong: np.ndarray) -> None:
    with pytest.raises(UserError, match=r"image 1 is an array of .* expected uint8 \(height, width, 3\), RGB"):
        random_predictor().predict([IMAGES[0], wrong])


def test_bands_from_arrays_and_files_are_scaled_in_the_same_way(tmp_path: Path) -> None:
    base = BaseModel(BaseModelSettings(architecture="Unet", encoder="tu-mobilenetv3_small_050", channels=4)).eval()
    refiner = FoldEnsemble(RegionDetailSettings(network="region_detail", members=2, detail_width=4))
    bands = BandSettings(count=4, low=0, high=10000)
    served = Predictor(base, refiner, PredictorSettings(image_size=64, bands=bands))
    image = RNG.integers(0, 10001, (50, 70, 4)).astype(np.uint16)
    np.save(tmp_path / "a[1].npy", image)
    for one in (image, image.astype(np.float32), tmp_path / "a[1].npy", tmp_path):
        assert (served.predict(one)[0].probabilities == served.predict(image)[0].probabilities).all()
    with pytest.raises(UserError, match=r"image 0: an array of shape \(8, 8, 3\), expected \(height, width, 4\)"):
        served.predict(np.zeros((8, 8, 3), np.uint16))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no image among them"):
        served.predict(tmp_path / "empty")


def test_missing_and_damaged_files_of_a_predictor_are_errors(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is not a saved predictor: it has no base\.safetensors"):
        Predictor.load(tmp_path)
    served = random_predictor()
    served.save(tmp_path / "model")
    (tmp_path / "model" / "predictor.json").write_text("{")
    with pytest.raises(UserError, match=r"predictor\.json is not JSON .*save it again"):
        Predictor.load(tmp_path / "model")
    with pytest.raises(UserError, match="no such file"):
        served.predict(tmp_path / "nowhere.png")


def test_a_predictor_of_mixed_files_is_refused(tmp_path: Path) -> None:
    for seed in (0, 1):
        random_predictor(seed=seed).save(tmp_path / str(seed))
    for suffix in ("safetensors", "json"):
        (tmp_path / "1" / f"refiner.{suffix}").replace(tmp_path / "0" / f"refiner.{suffix}")
    with pytest.raises(UserError, match=r"refiner\.json is not the file that was saved with predictor\.json"):
        Predictor.load(tmp_path / "0")


def test_a_predictor_without_checksums_is_read(tmp_path: Path) -> None:
    served = random_predictor()
    served.save(tmp_path / "model")
    for file in (tmp_path / "model").glob("*.json"):
        content = json.loads(file.read_text())
        file.write_text(json.dumps({key: content[key] for key in content if key not in ("checksum", "digests")}))
    assert Predictor.load(tmp_path / "model").digest == served.digest


def test_the_papers_network_can_be_served_and_a_refiner_with_features_cannot() -> None:
    base = random_predictor().base
    paper = PaperRefiner(PatchRefineNetSettings(width=8, grid=2)).eval()
    assert Predictor(base, paper, PredictorSettings(image_size=64)).predict(IMAGES[0])[0].mask.shape == (64, 64)
    reading = RegionDetailSettings(network="region_detail", inputs=("features",), feature_channels=16)
    with pytest.raises(UserError, match="reads features"):
        Predictor(base, FoldEnsemble(reading), PredictorSettings(image_size=64))


def test_maps_of_another_program_are_refined_with_and_without_images() -> None:
    maps = RNG.normal(0, 2, (1, 50, 90)).astype(np.float32)
    alone = map_predictor()
    items = [Item(None, maps), Item(IMAGES[1], maps)]
    first, second = (examined.predicted for examined in (next(alone.examine([item])) for item in items))
    assert first.mask.shape == (50, 90)
    assert (first.mask == second.mask).all(), "the refiner reads no images"
    with pytest.raises(UserError, match="refines maps of another program and has no base model"):
        alone.predict(IMAGES[1])
    seeing = map_predictor(inputs=("images",))
    assert next(seeing.examine([items[1]])).predicted.mask.shape == (50, 90)
    with pytest.raises(UserError, match="the refiner reads logits and images, but the input has no images"):
        next(seeing.examine([items[0]]))
    with pytest.raises(UserError, match="but the input has no tta"):
        next(random_predictor().examine([items[1]]))


def test_digests_of_copies_are_equal_and_those_of_other_models_differ(tmp_path: Path) -> None:
    served = random_predictor()
    served.save(tmp_path / "model")
    assert Predictor.load(tmp_path / "model").digest == served.digest
    assert random_predictor(seed=1).digest != served.digest
    assert random_predictor(tile=96).digest != served.digest


def test_several_threads_get_the_same_masks_as_one() -> None:
    served = random_predictor()
    alone = [served.predict(image)[0].mask for image in IMAGES]
    with ThreadPoolExecutor(8) as pool:
        parallel = list(pool.map(lambda image: served.predict(image)[0].mask, IMAGES * 8))
    assert len(parallel) == 8 * len(IMAGES)
    assert all((found == alone[index % len(IMAGES)]).all() for index, found in enumerate(parallel))


def test_a_base_model_that_needs_labelled_images_cannot_be_served() -> None:
    base = build_base_model(FewShotSettings(kind="few_shot", encoder="tu-mobilenetv3_small_050", width=16))
    with pytest.raises(UserError, match="cannot be served, because it needs labelled images of what to segment"):
        Predictor(base, random_refiner(), PredictorSettings(image_size=64))


def test_a_refiner_of_several_maps_is_served_the_maps_of_all_models() -> None:
    served = map_predictor(("several_maps", "tta"), maps=["a", "b"], tta="c", values="logits")
    assert {name: [place.folder for place in places] for name, places in served.further.items()} == {
        "several_maps": ["b"],
        "tta": ["c"],
    }
    base, second, flips = RNG.normal(0, 2, (3, 1, 64, 64)).astype(np.float16).astype(np.float32)
    item = Item(None, base, {"several_maps": (second,), "tta": (flips,)})
    several = np.stack([(base + second) / 2, second], axis=1)[None]
    tta = np.stack([flips, np.abs(flips - base)], axis=1)[None]
    arrays = {"several_maps": several.astype(np.float16), "tta": tta.astype(np.float16)}
    expected = served.logits(None, base[None].astype(np.float16), arrays).refined[0, 0]
    assert np.array_equal(next(served.examine([item])).predicted.mask, expected > 0)
    other = Item(None, base, {"several_maps": (-second,), "tta": (flips,)})
    assert not np.array_equal(next(served.examine([other])).predicted.mask, expected > 0)
    with pytest.raises(
        UserError, match="the refiner reads logits and tta and several_maps, but the input has no tta and"
    ):
        next(served.examine([Item(None, base)]))
