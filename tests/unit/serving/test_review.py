"""Expected IoUs in the results of a folder job: the table, the list to review, and what earlier versions wrote."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image

from prn_pipeline.commands.refine import refine
from prn_pipeline.data.store.json_files import read_json, write_json
from prn_pipeline.errors import UserError
from prn_pipeline.metrics.map_quality.expected_iou import ExpectedIou
from prn_pipeline.metrics.map_quality.statistics import quality_statistics
from prn_pipeline.serving.folder_job import FolderJob
from prn_pipeline.serving.folder_run import FolderRun
from prn_pipeline.serving.item import Item
from prn_pipeline.serving.predictor import Predictor
from prn_pipeline.serving.review import FILE, Review
from prn_pipeline.serving.saved import SETTINGS
from tests.unit.serving.conftest import random_predictor

ESTIMATE = ExpectedIou(
    intercept=-0.2, slope=0.9, agreement=0.1, usual=1.0, images=97, units=97, error=0.0744, error_of_mean=0.16,
    rank_correlation=0.84, worst_found=0.9,
)  # fmt: skip


def judging(predictor: Predictor, estimate: ExpectedIou | None = ESTIMATE) -> Predictor:
    settings = predictor.settings.model_copy(update={"expected_iou": estimate})
    return Predictor(predictor.base, predictor.refiner, settings, predictor.reference)


def refined(predictor: Predictor, photos: Path, out: Path, overwrite: bool = False) -> pd.DataFrame:
    list(FolderRun(predictor, FolderJob(photos, out, overlays=False), overwrite).refine())
    return pd.read_csv(out / "refined.csv").set_index("name")


@pytest.mark.parametrize("classes", [1, 3])
def test_the_expected_iou_is_that_of_the_statistics_of_the_maps(photos: Path, tmp_path: Path, classes: int) -> None:
    served = judging(random_predictor(classes))
    table = refined(served, photos, tmp_path / "out")
    images = {name: np.asarray(Image.open(photos / f"{name}.png")) for name in table.index}
    examined = dict(zip(images, served.examine([Item(image) for image in images.values()]), strict=True))
    for name, row in table.iterrows():
        statistics = examined[str(name)].quality()
        assert 0 < row["expected_iou"] < 1
        assert row["expected_iou"] == pytest.approx(ESTIMATE.of(statistics[None])[0], abs=1e-4)
    assert table["expected_iou"].nunique() == 3


def test_statistics_of_large_scenes_are_those_of_their_own_pixels() -> None:
    served, image = judging(random_predictor()), np.random.default_rng(0).integers(0, 256, (96, 160, 3), np.uint8)
    (examined,) = served.examine([Item(image)], at_own_scale=True)
    logits = np.log(examined.predicted.probabilities / (1 - examined.predicted.probabilities)).astype(np.float16)
    expected = quality_statistics(examined.base[None], logits[None, None])[0]
    np.testing.assert_allclose(examined.quality(), expected, atol=2e-3)


def test_images_are_listed_worst_first_also_after_an_interrupted_run(photos: Path, tmp_path: Path) -> None:
    served, out = judging(random_predictor()), tmp_path / "out"
    run = FolderRun(served, FolderJob(photos, out, overlays=False))
    next(iter(run.refine()))
    assert not (out / FILE).exists()
    table = refined(served, photos, out)
    assert len(table) == 3
    found = pd.read_csv(out / FILE)
    assert list(found) == ["name", "expected_iou"]
    assert found["name"].tolist() == table.sort_values("expected_iou").index.tolist()


def test_an_image_that_cannot_be_read_is_not_in_the_list(photos: Path, tmp_path: Path) -> None:
    (photos / "b.png").write_bytes(b"no picture")
    table = refined(judging(random_predictor()), photos, tmp_path / "out")
    assert table["expected_iou"].isna().to_dict() == {"a": False, "b": True, "more/c": False}
    assert sorted(pd.read_csv(tmp_path / "out" / FILE)["name"]) == ["a", "more/c"]


def test_results_with_and_without_an_estimate_or_of_two_estimates_are_not_mixed(photos: Path, tmp_path: Path) -> None:
    plain, out = random_predictor(), tmp_path / "out"
    assert judging(plain).digest == plain.digest
    refined(plain, photos, out)
    other = ESTIMATE.model_copy(update={"slope": 0.5})
    with pytest.raises(UserError, match="expected_iou differ"):
        FolderRun(judging(plain), FolderJob(photos, out, overlays=False))
    refined(judging(plain), photos, out, overwrite=True)
    assert (out / FILE).is_file()
    for changed in (plain, judging(plain, other)):
        with pytest.raises(UserError, match="holds results of another run"):
            FolderRun(changed, FolderJob(photos, out, overlays=False))
    assert "expected_iou" not in refined(plain, photos, out, overwrite=True)
    assert not (out / FILE).exists()


def test_a_predictor_keeps_its_estimate_and_an_old_one_has_none(photos: Path, tmp_path: Path) -> None:
    judging(random_predictor()).save(tmp_path / "new")
    assert Predictor.load(tmp_path / "new").settings.expected_iou == ESTIMATE
    random_predictor().save(tmp_path / "old")
    assert "expected_iou" not in json.loads((tmp_path / "old" / SETTINGS).read_text())
    old = Predictor.load(tmp_path / "old")
    assert old.settings.expected_iou is None
    assert "expected_iou" not in refined(old, photos, tmp_path / "out")
    assert not (tmp_path / "out" / FILE).exists()


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([0.2, 0.49, 0.5, 0.9], "2 of 4 images are below 0.5"),
        ([0.5, 0.9], "none of 2 images is below 0.5, the lowest is 0.50"),
    ],
)
def test_the_summary_says_how_many_masks_are_likely_to_be_bad_and_how_sure_that_is(
    values: list[float], found: str
) -> None:
    table = pd.DataFrame({"name": list("abcd")[: len(values)], "expected_iou": values})
    low = sum(value < 0.5 for value in values)
    assert Review(table, low).summary(ESTIMATE, Path("out/review.csv")) == (
        f"Expected IoU: {found}; worst first in out/review.csv (mean error 0.07; on 97 held-out images, the"
        " 20 % expected to be worst contained 90 % of the truly worst 10 %)"
    )


def test_the_command_prints_the_summary_where_there_is_an_estimate(photos: Path, tmp_path: Path) -> None:
    judging(random_predictor()).save(tmp_path / "model")
    arguments = [str(photos), "--model", str(tmp_path / "model"), "--out", str(tmp_path / "out")]
    printed = CliRunner().invoke(refine, arguments)
    assert printed.exit_code == 0
    (line,) = (line for line in printed.output.splitlines() if line.startswith("Expected IoU: "))
    assert "of 3 images" in line
    assert f"worst first in {tmp_path / 'out' / FILE} (mean error 0.07" in line
    settings = read_json(tmp_path / "model" / SETTINGS)
    del settings["expected_iou"]
    write_json(tmp_path / "model" / SETTINGS, settings)
    printed = CliRunner().invoke(refine, [*arguments, "--overwrite"])
    assert printed.exit_code == 0
    assert "Expected IoU" not in printed.output
