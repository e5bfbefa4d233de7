"""What a folder job writes down for later runs and for people: header, entries, table, drift report."""

import json
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from prn_pipeline.data.readers.file_kinds import UNREAD, how_to_read
from prn_pipeline.data.readers.map_folder import MapFolder
from prn_pipeline.data.readers.map_reading import MapReading
from prn_pipeline.errors import UserError
from prn_pipeline.metrics.descriptions import Descriptions, describe, names_of
from prn_pipeline.metrics.drift import Distance
from prn_pipeline.serving import drift_report as module
from prn_pipeline.serving.drift_report import DriftReport, drift_report, write_report
from prn_pipeline.serving.folder_images import images_below
from prn_pipeline.serving.folder_job import FolderJob
from prn_pipeline.serving.folder_run import FolderRun
from prn_pipeline.serving.item import Item
from prn_pipeline.serving.journal import NAME, Journal, as_json, from_json, stamp
from prn_pipeline.serving.map_folders import map_folders
from prn_pipeline.serving.predictor import Predictor
from prn_pipeline.serving.settings import DriftSettings
from tests.unit.serving.conftest import map_predictor, random_predictor


def map_folder(tmp_path: Path, **shapes: tuple[int, ...]) -> MapFolder:
    (tmp_path / "maps").mkdir(exist_ok=True)
    for name, shape in shapes.items():
        np.save(tmp_path / "maps" / f"{name}.npy", np.random.default_rng(1).random(shape))
    return MapFolder(tmp_path, "maps", None, MapReading())


def test_the_header_has_all_that_results_depend_on(predictor: Predictor, photos: Path, tmp_path: Path) -> None:
    plain = {"model": predictor.digest, "maps": None, "at_own_scale": False, "overlays": True, "probabilities": False}
    assert FolderJob(photos, tmp_path / "out").journal_header(predictor) == plain
    maps = map_folder(tmp_path, a=(64, 64))
    job = FolderJob(photos, tmp_path / "out", maps, at_own_scale=True, overlays=False, probabilities=True)
    assert job.journal_header(predictor) == {
        "model": predictor.digest,
        "maps": str((tmp_path / "maps").resolve()),
        "at_own_scale": True,
        "overlays": False,
        "probabilities": True,
    }


@pytest.mark.parametrize(
    ("change", "key"),
    [({"overlays": False}, "overlays"), ({"probabilities": True}, "probabilities"), ({"maps": True}, "maps")],
)
def test_results_of_other_options_are_not_mixed(
    predictor: Predictor, photos: Path, tmp_path: Path, change: dict[str, Any], key: str
) -> None:
    Journal(tmp_path / "out", FolderJob(photos, tmp_path / "out").journal_header(predictor))
    options = {"maps": map_folder(tmp_path, a=(64, 64))} if "maps" in change else change
    with pytest.raises(UserError) as caught:
        FolderRun(predictor, FolderJob(photos, tmp_path / "out", **options))
    assert str(caught.value) == (
        f"{tmp_path / 'out'} holds results of another run: {key} differ. Choose another folder, or replace the results"
        " with --overwrite."
    )


def test_the_place_of_a_job_is_its_folder_and_that_of_one_image_is_empty(photos: Path, tmp_path: Path) -> None:
    assert FolderJob(photos / ".." / "photos", tmp_path / "out").place == str(photos.resolve())
    assert FolderJob(photos / "a.png", tmp_path / "out").place == ""


@pytest.mark.parametrize("classes", [1, 3])
def test_an_entry_has_name_source_numbers_and_description(photos: Path, tmp_path: Path, classes: int) -> None:
    served, image = random_predictor(classes), np.asarray(Image.open(photos / "b.png"))
    job = FolderJob(photos / "b.png", tmp_path / "out")
    run = FolderRun(served, job)
    assert list(run.refine()) == [("b", None)]
    (examined,) = served.examine([Item(image)])
    mask, base = examined.predicted.mask, examined.base_mask
    shares = (
        {"foreground": mask.mean()}
        if classes == 1
        else {f"share of {name}": (mask == number).mean() for number, name in enumerate("abc")}
    )
    entry = run.journal.entries["b"]
    assert list(entry) == ["name", "images", "source", "row", "description"]
    assert (entry["name"], entry["images"], entry["source"]) == ("b", "", stamp(photos / "b.png"))
    confidence = examined.description.values[0, names_of(served.settings.classes).index("confidence")]
    assert entry["row"] == {
        "height": 50,
        "width": 90,
        **{key: round(float(share), 6) for key, share in shares.items()},
        "changed": round(float((mask != base).mean()), 6),
        "base_confidence": round(float(confidence), 4),
    }
    assert 0 < entry["row"]["changed"] < 1
    assert 0 < entry["row"]["base_confidence"] < 1
    assert entry["description"] == as_json(examined.description)
    (row,) = pd.read_csv(tmp_path / "out" / "refined.csv").to_dict("records")
    assert list(row) == ["name", *entry["row"], "error"]
    assert {key: row[key] for key in entry["row"]} == pytest.approx(entry["row"])
    assert pd.isna(row["error"])


def test_entries_of_a_folder_name_the_folder(predictor: Predictor, photos: Path, tmp_path: Path) -> None:
    run = FolderRun(predictor, FolderJob(photos, tmp_path / "out"))
    list(run.refine())
    assert {entry["images"] for entry in run.journal.entries.values()} == {str(photos.resolve())}


def test_only_the_wanted_results_are_written(predictor: Predictor, photos: Path, tmp_path: Path) -> None:
    for number, (options, folders) in enumerate(
        [({}, {"masks", "overlays"}), ({"overlays": False}, {"masks"}), ({"probabilities": True}, None)]
    ):
        out = tmp_path / f"out{number}"
        list(FolderRun(predictor, FolderJob(photos / "a.png", out, **options)).refine())
        found = {path.name for path in out.iterdir() if path.is_dir()}
        assert found == (folders or {"masks", "overlays", "probabilities"})
        assert (out / "masks" / "a.png").is_file()
    assert (tmp_path / "out2" / "probabilities" / "a.png").is_file()


def test_images_are_refined_at_their_own_scale_if_the_job_says_so(photos: Path, tmp_path: Path) -> None:
    served, image = random_predictor(), np.asarray(Image.open(photos / "b.png"))
    for own, expected in ((True, served.predict(image, at_own_scale=True)), (False, served.predict(image))):
        list(FolderRun(served, FolderJob(photos / "b.png", tmp_path / f"{own}", at_own_scale=own)).refine())
        mask = np.asarray(Image.open(tmp_path / f"{own}" / "masks" / "b.png"))
        assert (mask == 255 * expected[0].mask).all()
    assert (served.predict(image)[0].mask != served.predict(image, at_own_scale=True)[0].mask).any()


def test_maps_of_a_job_are_refined_and_missing_ones_are_named(photos: Path, tmp_path: Path) -> None:
    maps, served = map_folder(tmp_path, a=(64, 64), b=(50, 90)), map_predictor()
    found = dict(FolderRun(served, FolderJob(photos, tmp_path / "out", maps)).refine())
    assert found["more/c"] == (
        f"{photos.resolve() / 'more' / 'c.png'}: no map 'more/c' in {tmp_path / 'maps'}, which has maps such as a, b:"
        " write the map, or remove the image"
    )
    image = np.asarray(Image.open(photos / "b.png"))
    logits = maps.logits("b", (50, 90))[None]
    (examined,) = served.examine([Item(image, logits)])
    assert (np.asarray(Image.open(tmp_path / "out" / "masks" / "b.png")) == 255 * examined.predicted.mask).all()


def test_an_image_is_refined_again_when_its_map_or_how_it_is_read_has_changed(photos: Path, tmp_path: Path) -> None:
    maps, served = map_folder(tmp_path, a=(64, 64), b=(50, 90)), map_predictor()
    job = FolderJob(photos, tmp_path / "out", maps)
    list(FolderRun(served, job).refine())
    assert "a" not in FolderRun(served, job).pending
    np.save(tmp_path / "maps" / "a.npy", 1 - np.load(tmp_path / "maps" / "a.npy"))
    os.utime(tmp_path / "maps" / "a.npy", (1, 1))
    assert {"a", "b"} & set(FolderRun(served, job).pending) == {"a"}
    otherwise = MapFolder(tmp_path, "maps", None, MapReading(foreground=0))
    assert {"a", "b"} <= set(FolderRun(served, FolderJob(photos, tmp_path / "out", otherwise)).pending)


def test_maps_of_images_in_sub_folders_lie_in_sub_folders_too(photos: Path, tmp_path: Path) -> None:
    maps = tmp_path / "maps"
    (maps / "more").mkdir(parents=True)
    np.save(maps / "a.npy", np.random.default_rng(1).random((64, 64)))
    with Image.open(photos / "more" / "c.png") as image:
        np.save(maps / "more" / "c.npy", np.random.default_rng(1).random((image.height, image.width)))
    folder, _ = map_folders(map_predictor(), [maps])
    assert folder is not None
    found = dict(FolderRun(map_predictor(), FolderJob(photos, tmp_path / "out", folder)).refine())
    assert found["a"] is None
    assert found["more/c"] is None
    np.savez(tmp_path / "all.npz", **{"more/c": np.load(maps / "more" / "c.npy")})
    container, _ = map_folders(map_predictor(), [tmp_path / "all.npz"])
    assert container is not None
    assert "more/c" in container


def test_folders_without_maps_are_explained_by_the_option(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty: no maps\. .* or correct `--maps`\.$"):
        map_folders(map_predictor(), [tmp_path / "empty"])
    Image.new("L", (64, 64), 9).save(map_folder(tmp_path, a=(64, 64)).place / "a.png")
    Image.new("L", (64, 64), 9).save(tmp_path / "maps" / "a.tif")
    with pytest.raises(UserError, match=r"select them with `--maps`, for example `--maps 'maps/\*\.npz'`\.$"):
        map_folders(map_predictor(), [tmp_path / "maps"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: (p > 0.5).astype(np.float32), "they hold only the values 0 and 1, which makes them masks"),
        (lambda p: 255 * (p > 0.5).astype(np.uint8), "they hold only the values 0 and 255, which makes them masks"),
        (lambda p: 8 * p - 4, r"are no probabilities. Set `--map-values logits`"),
        (lambda p: 255 * p, "Set `scale: 255` .* have no option for `scale`"),
    ],
)
def test_maps_that_training_would_refuse_are_refused(
    photos: Path, tmp_path: Path, change: Callable[[np.ndarray], np.ndarray], message: str
) -> None:
    map_folder(tmp_path, a=(64, 64), b=(50, 90), **{"c": (40, 40)})
    for file in (tmp_path / "maps").iterdir():
        np.save(file, change(np.load(file)))
    Image.new("RGB", (40, 40)).save(photos / "c.png")
    job = FolderJob(photos, tmp_path / "out", MapFolder(tmp_path, "maps", None, MapReading()))
    with pytest.raises(UserError, match=message):
        FolderRun(map_predictor(), job)
    assert not (tmp_path / "out").exists()


def test_results_of_an_image_that_fails_are_removed_with_its_probabilities(
    predictor: Predictor, photos: Path, tmp_path: Path
) -> None:
    job = FolderJob(photos, tmp_path / "out", probabilities=True)
    list(FolderRun(predictor, job).refine())
    (tmp_path / "out" / "probabilities" / "a.npy").write_bytes(b"of a run with classes")
    (photos / "a.png").write_bytes(b"no picture")
    run = FolderRun(predictor, job)
    ((name, error),) = run.refine()
    assert run.journal.entries["a"] == {"name": name, "error": error}
    assert not list((tmp_path / "out").rglob("a.*"))
    assert len(list((tmp_path / "out").rglob("b.*"))) == 3


def test_a_journal_keeps_the_newest_entry_of_an_image_and_is_written_line_by_line(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "out", {"model": "m"})
    source = tmp_path / "a.png"
    source.write_bytes(b"12345")
    for number in (1, 2):
        journal.add({"name": "a", "images": "/photos", "source": stamp(source), "row": {"height": number}})
    assert len((tmp_path / "out" / NAME).read_text().splitlines()) == 3
    again = Journal(tmp_path / "out", {"model": "m"})
    newest = {"name": "a", "images": "/photos", "source": stamp(source), "row": {"height": 2}}
    assert again.entries == journal.entries == {"a": newest}
    assert again.is_done("a", stamp(source))
    assert not again.is_done("b", stamp(source))
    assert stamp(source) == [5, source.stat().st_mtime_ns]
    assert stamp(tmp_path / "nowhere") == []
    source.write_bytes(b"123456")
    assert not again.is_done("a", stamp(source))
    before = Journal.reset(tmp_path / "out")
    assert before == {"a": "/photos"}
    assert not (tmp_path / "out" / NAME).exists()
    assert Journal.reset(tmp_path / "out") == {}


def test_an_image_that_is_a_broken_link_is_never_done(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "out", {})
    journal.add({"name": "a", "error": "no such file"})
    (tmp_path / "a.png").write_bytes(b"1")
    assert not journal.is_done("a", stamp(tmp_path / "a.png"))


def test_entries_are_read_from_the_file_so_that_memory_holds_only_where_they_are(tmp_path: Path) -> None:
    journal = Journal(tmp_path, {"model": "m"})
    tracemalloc.start()
    for number in range(500):
        journal.add({"name": f"image-{number}", "description": [number + 0.5] * 100})
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held / 500 < 600, "bytes of an image, of 3,000 with its numbers"
    for number in (0, 250, 499):
        assert journal.entries[f"image-{number}"]["description"] == [number + 0.5] * 100
    assert (len(journal.entries), "image-500" in journal.entries) == (500, False)
    (tmp_path / NAME).unlink()
    with pytest.raises(UserError, match=r"refined.jsonl was changed while it was in use"):
        journal.entries["image-7"]


def test_a_changed_line_of_a_journal_is_noticed(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "out", {"model": "m"})
    journal.add({"name": "a", "row": {"height": 10}})
    file = tmp_path / "out" / NAME
    file.write_text(file.read_text().replace('"height": 10', '"height": 11'))
    with pytest.raises(UserError, match=r"\.refined\.jsonl is damaged \(.*\): remove the file, or refine all images"):
        Journal(tmp_path / "out", {"model": "m"})


def test_a_line_without_the_name_of_its_image_is_noticed(tmp_path: Path) -> None:
    Journal(tmp_path, {"model": "a"})
    with (tmp_path / ".refined.jsonl").open("a") as file:
        file.write('{"source": [1, 2]}\n')
    with pytest.raises(
        UserError, match=r"refined.jsonl is damaged \(line 2 has no 'name' that is a text\): remove the file"
    ):
        Journal(tmp_path, {"model": "a"})
    assert Journal.reset(tmp_path) == {}


def test_folders_and_files_in_place_of_each_other_are_refused(tmp_path: Path) -> None:
    (tmp_path / "results/.refined.jsonl").mkdir(parents=True)
    (tmp_path / "file").touch()
    for start in (lambda folder: Journal(folder, {"model": "a"}), Journal.reset):
        with pytest.raises(UserError, match=r"refined.jsonl is a folder, expected a file: remove it"):
            start(tmp_path / "results")
        with pytest.raises(UserError, match="file is a file, expected a folder for the results: choose another"):
            start(tmp_path / "file")
    (tmp_path / "results/.refined.jsonl").rmdir()
    assert Journal(tmp_path / "results", {"model": "a"}).entries == {}


def test_descriptions_survive_the_journal() -> None:
    draw = np.random.default_rng(0)
    maps = draw.normal(size=(2, 1, 16, 16)).astype(np.float16)
    whole = describe(draw.integers(0, 256, (2, 16, 16, 3), dtype=np.uint8), maps, maps + np.float16(1))
    entries = [as_json(Descriptions(*(column[[row]] for column in whole))) for row in range(2)]
    again = from_json(json.loads(json.dumps(entries)))
    assert again.values.shape == whole.values.shape
    for found, expected in zip(again, whole, strict=True):
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, expected)


class Described:
    """A predictor with a reference, and a journal of descriptions whose only number is that of the image."""

    def __init__(self, images: int) -> None:
        self.reference = Descriptions(*[np.zeros((1, 1), np.float32)] * 3)
        drift = DriftSettings(level=0.02, least=0.3, images=3)
        self.settings = SimpleNamespace(drift=drift, classes=("road", "car"))
        rows = [np.array([[number]], np.float32) for number in range(images)]
        self.entries: dict[str, Any] = {
            f"{number:04d}": {"name": f"{number:04d}", "description": as_json(Descriptions(row, row, row))}
            for number, row in enumerate(rows)
        }
        self.entries["failed"] = {"name": "failed", "error": "no picture"}


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    made: list[Any] = []

    def distances(*arguments: Any) -> list[Distance]:
        made.append(arguments)
        return ["near", "far", "further"]  # type: ignore[return-value]

    def significant(*arguments: Any) -> list[Any]:
        made.append(arguments)
        return [SimpleNamespace(name="far"), SimpleNamespace(name="further")]

    monkeypatch.setattr(module, "distances", distances)
    monkeypatch.setattr(module, "significant", significant)
    return made


def test_drift_is_measured_by_the_settings_of_the_predictor(calls: list[Any]) -> None:
    world: Any = Described(5)
    found = drift_report(world, world, ["0003", "0001", "0002", "failed", "another", "0003"])
    assert found == DriftReport(3, ["near", "far", "further"], ["far", "further"], "")  # type: ignore[list-item]
    (reference, descriptions, names, level), judged = calls
    assert reference is world.reference
    assert (names, level) == (names_of(("road", "car")), 0.02)
    assert descriptions.values[:, 0].tolist() == [1, 2, 3]
    assert judged == (["near", "far", "further"], 0.02, 0.3)


def test_of_many_images_some_are_compared_evenly_spaced(calls: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_IMAGES", 4)
    world: Any = Described(10)
    assert drift_report(world, world, world.entries).images == 4
    assert calls[0][1].values[:, 0].tolist() == [0, 3, 6, 9]


@pytest.mark.parametrize(
    ("of_training", "remedy"), [(True, "run evaluation and promotion again"), (False, "refine with --overwrite")]
)
def test_descriptions_that_are_not_finite_are_not_compared(calls: list[Any], of_training: bool, remedy: str) -> None:
    world: Any = Described(5)
    bad = Descriptions(*[np.full((1, 1), np.inf, np.float32)] * 3)
    if of_training:
        world.reference = bad
    else:
        world.entries["0002"]["description"] = as_json(bad)
    found = drift_report(world, world, world.entries)
    assert found.reason.endswith(remedy)
    assert not calls


def test_a_drift_check_that_is_impossible_says_why(calls: list[Any]) -> None:
    world: Any = Described(5)
    found = drift_report(world, world, ["0001", "0002"])
    assert found == DriftReport(2, [], [], "2 images are too few, 3 are needed")
    assert drift_report(world, world, ["0001", "0002", "0003"]).reason == ""
    world.reference = None
    found = drift_report(world, world, world.entries)
    assert found == DriftReport(5, [], [], "the predictor was saved without statistics of its training")


def test_the_drift_report_is_json(tmp_path: Path) -> None:
    values: dict[str, Any] = {name: float(number) for number, name in enumerate(Distance._fields)} | {"name": "far"}
    write_report(tmp_path, DriftReport(7, [Distance(**values)], ["far"], ""))
    text = (tmp_path / "drift.json").read_text()
    expected = {"images": 7, "distances": [values], "drifted": ["far"], "reason": ""}
    assert text == json.dumps(expected, indent=2) + "\n"


def test_images_are_named_by_their_path_and_sorted(photos: Path, tmp_path: Path) -> None:
    for name in ("Z.JPG", "more/.hidden.png", "notes.txt", "__MACOSX/a.png"):
        (photos / name).parent.mkdir(exist_ok=True)
        (photos / name).write_bytes(b"x")
    found = images_below(photos, False, tmp_path / "out")
    assert list(found) == ["Z", "a", "b", "more/c"]
    assert found["more/c"] == (photos / "more" / "c.png").resolve()
    (photos / "d.npy").write_bytes(b"x")
    assert "d" not in images_below(photos, False, tmp_path / "out")
    assert "d" in images_below(photos, True, tmp_path / "out")
    assert images_below(photos / "a.png", False, tmp_path / "out") == {"a": photos / "a.png"}


def test_pictures_that_are_not_read_are_counted(photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    kinds = sorted(UNREAD)[:2]
    for number, suffix in enumerate([kinds[0], kinds[1], kinds[1]]):
        (photos / f"{number}{suffix.upper()}").write_bytes(b"x")
    assert list(images_below(photos, False, tmp_path / "out")) == ["a", "b", "more/c"]
    (message,) = caplog.messages
    listed = f"3 pictures are of kinds that are not read (2 {kinds[1]}, 1 {kinds[0]})"
    assert message == f"{photos.resolve()}: {listed}. {how_to_read(kinds)}"
    for file in photos.rglob("*.png"):
        file.unlink()
    with pytest.raises(UserError, match=r"no image in this folder or its sub-folders \(.*\.bmp, .*\): 3 pictures are"):
        images_below(photos, False, tmp_path / "out")


def test_the_error_for_equal_names_lists_some_of_them(photos: Path, tmp_path: Path) -> None:
    for number in range(5):
        for suffix in ("png", "jpg"):
            (photos / f"{number}.{suffix}").write_bytes(b"x")
    with pytest.raises(UserError) as caught:
        images_below(photos, False, tmp_path / "out")
    assert str(caught.value) == (
        f"{photos.resolve()}: 5 names belong to several images (0.jpg and 0.png; 1.jpg and 1.png; 2.jpg and 2.png), so"
        " their masks would overwrite each other. Rename or remove one of each."
    )
