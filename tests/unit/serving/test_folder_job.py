"""A folder of images is refined to masks and a table; a second run skips images that are done."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from prn_pipeline.data.readers.map_folder import MapFolder
from prn_pipeline.data.readers.map_reading import MapReading
from prn_pipeline.errors import UserError
from prn_pipeline.metrics.descriptions import describe
from prn_pipeline.serving import folder_run
from prn_pipeline.serving.drift_report import drift_report, write_report
from prn_pipeline.serving.folder_job import FolderJob
from prn_pipeline.serving.folder_run import FolderRun
from prn_pipeline.serving.journal import NAME
from prn_pipeline.serving.map_folders import map_folders
from prn_pipeline.serving.predictor import Predictor
from tests.unit.serving.conftest import map_predictor, random_predictor


def refine(predictor: Predictor, job: FolderJob) -> list[tuple[str, str | None]]:
    return list(FolderRun(predictor, job).refine())


def test_masks_overlays_and_a_table_are_written(
    predictor: Predictor, photos: Path, tmp_path: Path, scenes: list[np.ndarray]
) -> None:
    out = tmp_path / "out"
    assert refine(predictor, FolderJob(photos, out, probabilities=True)) == [("a", None), ("b", None), ("more/c", None)]
    table = pd.read_csv(out / "refined.csv")
    predicted = predictor.predict(scenes)  # in one batch, because rounding may depend on the batch size
    for name, image, expected, row in zip(table["name"], scenes, predicted, table.itertuples(), strict=True):
        mask = np.asarray(Image.open(out / "masks" / f"{name}.png"))
        assert (mask == 255 * expected.mask).all()
        probabilities = np.asarray(Image.open(out / "probabilities" / f"{name}.png"))
        assert np.abs(probabilities / 65535 - expected.probabilities).max() < 1e-5
        with Image.open(out / "overlays" / f"{name}.jpg") as overlay:
            assert overlay.size == (image.shape[1], image.shape[0])
        assert (row.height, row.width) == image.shape[:2]
        assert row.foreground == pytest.approx(expected.mask.mean(), abs=1e-6)
    assert not list(out.rglob("*partial*"))


def test_refined_images_are_skipped_and_changed_images_are_refined_again(
    predictor: Predictor, photos: Path, tmp_path: Path, scenes: list[np.ndarray]
) -> None:
    job = FolderJob(photos, tmp_path / "out")
    refine(predictor, job)
    assert refine(predictor, job) == []
    Image.fromarray(scenes[1]).save(photos / "a.png")
    Image.fromarray(scenes[2]).save(photos / "new.png")
    assert [name for name, _ in refine(predictor, job)] == ["a", "new"]
    assert list(pd.read_csv(tmp_path / "out" / "refined.csv")["name"]) == ["a", "b", "more/c", "new"]


def test_an_image_that_changes_while_it_is_refined_is_refined_again(
    predictor: Predictor, photos: Path, tmp_path: Path, scenes: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    job, write = FolderJob(photos, tmp_path / "out"), folder_run._write

    def write_late(*arguments: Any) -> None:
        if arguments[-1].name == "a":
            Image.fromarray(scenes[1]).save(photos / "a.png")
        write(*arguments)

    monkeypatch.setattr(folder_run, "_write", write_late)
    refine(predictor, job)
    monkeypatch.undo()
    assert refine(predictor, job) == [("a", None)]
    assert refine(predictor, job) == []


def test_a_killed_run_resumes_where_it_stopped(predictor: Predictor, photos: Path, tmp_path: Path) -> None:
    job = FolderJob(photos, tmp_path / "out")
    next(FolderRun(predictor, job).refine())
    journal = tmp_path / "out" / NAME
    journal.write_text(journal.read_text() + '{"name": "b", "sour')  # killed in the middle of a line
    assert [name for name, _ in refine(predictor, job)] == ["b", "more/c"]
    assert len(pd.read_csv(tmp_path / "out" / "refined.csv")) == 3


def test_an_invalid_image_does_not_stop_others_and_is_tried_again(
    predictor: Predictor, photos: Path, tmp_path: Path
) -> None:
    (photos / "aa.png").write_bytes(b"no picture")
    job = FolderJob(photos, tmp_path / "out")
    found = dict(refine(predictor, job))
    assert found["a"] is found["b"] is found["more/c"] is None
    assert "not a readable picture" in str(found["aa"])
    table = pd.read_csv(tmp_path / "out" / "refined.csv").set_index("name")
    assert "not a readable picture" in table.loc["aa", "error"]
    assert table.loc["b", "width"] == 90
    assert list(table)[-1] == "error"
    assert [name for name, _ in refine(predictor, job)] == ["aa"]


def test_results_of_an_image_that_becomes_unreadable_are_removed(
    predictor: Predictor, photos: Path, tmp_path: Path
) -> None:
    job = FolderJob(photos, tmp_path / "out")
    refine(predictor, job)
    (photos / "a.png").write_bytes(b"no picture")
    refine(predictor, job)
    assert not (tmp_path / "out" / "masks" / "a.png").exists()
    assert not (tmp_path / "out" / "overlays" / "a.jpg").exists()
    columns = list(pd.read_csv(tmp_path / "out" / "refined.csv"))
    assert columns[-1] == "error", "the column is last also if the first image failed"


def test_overwriting_deletes_results_of_images_that_were_removed(
    predictor: Predictor, photos: Path, tmp_path: Path
) -> None:
    job = FolderJob(photos, tmp_path / "out")
    refine(predictor, job)
    (photos / "b.png").unlink()
    assert refine(predictor, job) == []
    assert (tmp_path / "out" / "masks" / "b.png").exists(), "results stay without overwrite"
    list(FolderRun(predictor, job, overwrite=True).refine())
    assert sorted(file.stem for file in (tmp_path / "out" / "masks").rglob("*.png")) == ["a", "c"]
    assert not (tmp_path / "out" / "overlays" / "b.jpg").exists()


def test_overwriting_one_image_or_another_folder_keeps_the_results_of_others(
    predictor: Predictor, photos: Path, tmp_path: Path, scenes: list[np.ndarray]
) -> None:
    out, more = tmp_path / "out", tmp_path / "more photos"
    refine(predictor, FolderJob(photos, out))
    more.mkdir()
    Image.fromarray(scenes[0]).save(more / "d.png")
    for images in (photos / "a.png", more):
        list(FolderRun(predictor, FolderJob(images, out), overwrite=True).refine())
        assert {"a", "b", "c"} <= {file.stem for file in (out / "masks").rglob("*.png")}


def test_the_error_for_a_damaged_journal_names_a_remedy(predictor: Predictor, photos: Path, tmp_path: Path) -> None:
    job = FolderJob(photos, tmp_path / "out")
    refine(predictor, job)
    journal = tmp_path / "out" / NAME
    for damage in (b"scribble\n", b"\xff\n"):
        journal.write_bytes(damage + journal.read_bytes())
        with pytest.raises(UserError, match=r"\.refined\.jsonl is damaged.*--overwrite"):
            FolderRun(predictor, job)
    assert len(list(FolderRun(predictor, job, overwrite=True).refine())) == 3


def test_results_of_two_models_are_not_mixed(predictor: Predictor, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    refine(predictor, FolderJob(photos, out))
    with pytest.raises(UserError, match="holds results of another run: model differ"):
        refine(random_predictor(seed=1), FolderJob(photos, out))
    with pytest.raises(UserError, match="at_own_scale differ"):
        refine(predictor, FolderJob(photos, out, at_own_scale=True))
    other = FolderRun(random_predictor(seed=1), FolderJob(photos, out), overwrite=True)
    assert len(list(other.refine())) == 3


def test_a_missing_image_folder_does_not_reset_the_journal(predictor: Predictor, photos: Path, tmp_path: Path) -> None:
    job = FolderJob(photos, tmp_path / "out")
    refine(predictor, job)
    with pytest.raises(UserError, match="no such file or folder"):
        FolderRun(predictor, FolderJob(tmp_path / "nowhere", tmp_path / "out"), overwrite=True)
    assert refine(predictor, job) == []


def test_results_inside_the_image_folder_are_not_refined(
    predictor: Predictor, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photos.parent)
    job = FolderJob(Path("photos"), photos / "out")
    refine(predictor, job)
    assert len(FolderRun(predictor, job).files) == 3


@pytest.mark.parametrize(("name", "message"), [("missing", "no such file or folder"), ("empty", "no image in")])
def test_a_missing_or_empty_folder_is_an_error_and_writes_nothing(
    predictor: Predictor, tmp_path: Path, name: str, message: str
) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=message):
        FolderRun(predictor, FolderJob(tmp_path / name, tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_two_images_with_the_same_name_are_an_error(predictor: Predictor, photos: Path, tmp_path: Path) -> None:
    Image.open(photos / "a.png").save(photos / "a.bmp")
    with pytest.raises(UserError, match=r"1 names belong to several images \(a\.bmp and a\.png\)"):
        FolderRun(predictor, FolderJob(photos, tmp_path / "out"))


def test_maps_of_another_program_are_found_by_name(photos: Path, tmp_path: Path) -> None:
    draw = np.random.default_rng(1)
    for name, size in (("a", (64, 64)), ("b", (50, 90))):
        (tmp_path / "maps").mkdir(exist_ok=True)
        np.save(tmp_path / "maps" / f"{name}.npy", draw.random(size))
    maps = MapFolder(tmp_path, "maps", None, MapReading())
    found = dict(refine(map_predictor(), FolderJob(photos, tmp_path / "out", maps)))
    assert found["a"] is found["b"] is None
    assert "no map 'more/c' in" in str(found["more/c"])


def test_masks_of_several_classes_contain_class_ids(photos: Path, tmp_path: Path, scenes: list[np.ndarray]) -> None:
    served = random_predictor(classes=3)
    refine(served, FolderJob(photos, tmp_path / "out", probabilities=True))
    mask = np.asarray(Image.open(tmp_path / "out" / "masks" / "b.png"))
    assert (mask == served.predict(scenes[1])[0].mask).all()
    assert np.load(tmp_path / "out" / "probabilities" / "b.npy").shape == (3, 50, 90)
    shares = pd.read_csv(tmp_path / "out" / "refined.csv").loc[1, ["share of a", "share of b", "share of c"]]
    assert shares.sum() == pytest.approx(1, abs=1e-5)


def test_drift_is_reported_for_images_darker_than_those_of_training(photos: Path, tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    folders = {"same": 1.0, "dark": 0.3}
    for name, brightness in folders.items():
        (tmp_path / name).mkdir()
        for number in range(20):
            noise = draw.integers(0, 256, (64, 64, 3)) * brightness
            Image.fromarray(noise.astype(np.uint8)).save(tmp_path / name / f"{number}.png")
    base = random_predictor()
    known = draw.integers(0, 256, (60, 64, 64, 3), dtype=np.uint8)
    served = Predictor(base.base, base.refiner, base.settings, describe(known, *base.logits(known)))
    reports = {}
    for name in folders:
        run = FolderRun(served, FolderJob(tmp_path / name, tmp_path / f"out-{name}", overlays=False))
        list(run.refine())
        reports[name] = drift_report(served, run.journal, run.files)
    assert reports["same"].drifted == []
    assert "brightness" in reports["dark"].drifted
    write_report(tmp_path / "out-dark", reports["dark"])
    written = json.loads((tmp_path / "out-dark" / "drift.json").read_text())
    assert set(written) == {"images", "distances", "drifted", "reason"}
    assert {distance["name"] for distance in written["distances"]} >= {"brightness", "foreground", "patch bias"}
    few = FolderRun(served, FolderJob(photos, tmp_path / "few"))
    list(few.refine())
    assert "3 images are too few" in drift_report(served, few.journal, few.files).reason
    assert "without statistics" in drift_report(base, few.journal, few.files).reason
    assert drift_report(served, few.journal, ()).images == 0, "images that were removed are ignored"


def test_a_deleted_mask_is_written_again(predictor: Predictor, photos: Path, tmp_path: Path) -> None:
    job = FolderJob(photos, tmp_path / "out")
    refine(predictor, job)
    (tmp_path / "out/masks/b.png").unlink()
    assert refine(predictor, job) == [("b", None)]


def test_results_of_an_earlier_run_are_not_refined(predictor: Predictor, photos: Path, tmp_path: Path) -> None:
    refine(predictor, FolderJob(photos, photos / "results"))
    again = FolderRun(predictor, FolderJob(photos, tmp_path / "elsewhere"))
    assert list(again.files) == ["a", "b", "more/c"]


def test_a_results_folder_that_contains_the_images_is_rejected(predictor: Predictor, photos: Path) -> None:
    for out in (photos, photos.parent):
        with pytest.raises(UserError, match="contains the images to refine: choose another folder"):
            FolderRun(predictor, FolderJob(photos, out))
    assert not list(photos.rglob(NAME))


def test_further_maps_are_given_in_the_order_of_the_predictors_run(photos: Path, tmp_path: Path) -> None:
    served = map_predictor(("several_maps",), maps=["first", {"folder": "second", "scale": 100}])
    draw = np.random.default_rng(1)
    for folder, scale in (("x", 1), ("y", 100)):
        (tmp_path / folder / "more").mkdir(parents=True)
        for name, size in (("a", (64, 64)), ("b", (50, 90))):
            np.save(tmp_path / folder / f"{name}.npy", scale * draw.random(size))
    base, further = map_folders(served, (tmp_path / "x", tmp_path / "y"))
    assert base is not None
    assert [folder.reading.scale for folder in (base, *further["several_maps"])] == [None, 100]
    job = FolderJob(photos, tmp_path / "out", base, further=further)
    found = dict(refine(served, job))
    assert found["a"] is found["b"] is None
    (tmp_path / "y" / "a.npy").unlink()
    job = FolderJob(photos, tmp_path / "again", base, further=map_folders(served, (tmp_path / "x", tmp_path / "y"))[1])
    assert "no map 'a' in" in str(dict(refine(served, job))["a"])
    assert job.journal_header(served)["further"] == [str(tmp_path / "y")]
    with pytest.raises(UserError, match=r"--maps is given 1 times, .* reads 2 maps of an image: .*\(first, second\)"):
        map_folders(served, (tmp_path / "x",))


def test_maps_replace_those_of_a_network_as_one_folder(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    np.save(tmp_path / "x" / "a.npy", np.zeros((4, 4)))
    base, further = map_folders(random_predictor(), (tmp_path / "x",), "logits")
    assert base is not None
    assert (base.reading.values, further) == ("logits", {})
    assert map_folders(random_predictor(), ()) == (None, {})
