"""Which images to label next: their order, their reasons, and the list that `prn suggest` writes."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image

from prn_pipeline.commands import prn
from prn_pipeline.data.pixel_digest import pixel_digest
from prn_pipeline.data.splits.video_frames import thumbnail
from prn_pipeline.errors import UserError
from prn_pipeline.metrics.map_quality.expected_iou import ExpectedIou
from prn_pipeline.serving.folder_job import FolderJob
from prn_pipeline.serving.item import Item
from prn_pipeline.serving.predictor import Predictor
from prn_pipeline.serving.suggestion.job import JOURNAL, TABLE, SuggestionRun, Suggestions
from prn_pipeline.serving.suggestion.ranking import pick, reason
from tests.unit.serving.conftest import random_predictor

ESTIMATE = ExpectedIou(
    intercept=0.3, slope=0.8, agreement=0.2, usual=0.5, images=97, units=97, error=0.07, error_of_mean=0.16,
    rank_correlation=0.84, worst_found=0.9,
)  # fmt: skip


def scenes(images: int, seed: int = 0) -> np.ndarray:
    """Thumbnails of different scenes."""
    draw = np.random.default_rng(seed)
    return np.stack([thumbnail(draw.integers(0, 256, (32, 32, 3), np.uint8)) for _ in range(images)])


def test_the_images_with_the_most_room_come_first() -> None:
    room = np.array([0.1, 0.9, 0.5, 0.7])
    assert pick(room, scenes(4), 3).rows.tolist() == [1, 3, 2]
    assert pick(room, scenes(4), 9).rows.tolist() == [1, 3, 2, 0]


def test_of_frames_of_one_scene_only_the_one_with_the_most_room_is_picked() -> None:
    draw, several = np.random.default_rng(1), scenes(5)
    frames = several[0] + draw.normal(0, 0.01, (4, several.shape[1]))
    frames /= np.linalg.norm(frames, axis=1, keepdims=True)
    thumbnails = np.concatenate([frames, several[1:]]).astype(np.float32)
    room = np.array([0.8, 0.9, 0.85, 0.7, 0.6, 0.5, 0.4, 0.3])
    found = pick(room, thumbnails, 4)
    assert found.rows.tolist() == [1, 4, 5, 6]
    assert found.passed_over == 3
    assert pick(room, thumbnails, 6).rows.tolist() == [1, 4, 5, 6, 7, 2], "too few others: the best of the frames"


def test_what_all_images_have_in_common_does_not_make_them_alike() -> None:
    disc = thumbnail(np.tile(np.hypot(*np.mgrid[-1:1:32j, -1:1:32j])[..., None] * 200, (1, 1, 3)).astype(np.uint8))
    retinas = disc + 0.3 * scenes(6)
    retinas /= np.linalg.norm(retinas, axis=1, keepdims=True)
    assert (retinas @ retinas.T).min() > 0.8
    assert pick(np.arange(6.0), retinas.astype(np.float32), 3).rows.tolist() == [5, 4, 3]


def test_reasons_are_in_words() -> None:
    assert reason(0.3, 0.9, 0.2) == "the map is unsure: its probabilities promise an IoU of 0.30"
    assert reason(0.6, 0.45, 0.2) == "base model and refiner disagree: the IoU of their masks is 0.45"
    assert reason(0.6, 0.0, 0.0) == "nothing was found, but that is not sure"


def suggested(predictor: Predictor, photos: Path, out: Path, count: int = 9) -> Suggestions:
    run = SuggestionRun(predictor, FolderJob(photos, out))
    list(run.look())
    return run.suggest(count)


@pytest.mark.parametrize("estimate", [None, ESTIMATE])
def test_the_score_is_what_is_expected_to_be_missing(
    photos: Path, tmp_path: Path, estimate: ExpectedIou | None
) -> None:
    plain = random_predictor()
    settings = plain.settings.model_copy(update={"expected_iou": estimate})
    served = Predictor(plain.base, plain.refiner, settings)
    table = suggested(served, photos, tmp_path / "out").table
    assert table["score"].is_monotonic_decreasing
    for row in table.itertuples():
        (examined,) = served.examine([Item(np.asarray(Image.open(photos / f"{row.name}.png")))])
        statistics = examined.quality()
        expected = statistics[0] if estimate is None else estimate.of(statistics[None])[0]
        assert row.score == pytest.approx(1 - expected, abs=5e-3)  # of a batch or alone: bfloat16
    assert sorted(table["name"]) == ["a", "b", "more/c"]


def test_images_that_the_model_has_learned_from_are_left_out(photos: Path, tmp_path: Path) -> None:
    plain = random_predictor()
    known = (pixel_digest(np.asarray(Image.open(photos / "b.png"))),)
    served = Predictor(plain.base, plain.refiner, plain.settings.model_copy(update={"learned_from": known}))
    found = suggested(served, photos, tmp_path / "out")
    assert (sorted(found.table["name"]), found.labelled) == (["a", "more/c"], 1)


def test_a_folder_of_labelled_images_has_nothing_to_suggest(photos: Path, tmp_path: Path) -> None:
    plain = random_predictor()
    known = tuple(pixel_digest(np.asarray(Image.open(file))) for file in photos.rglob("*.png"))
    served = Predictor(plain.base, plain.refiner, plain.settings.model_copy(update={"learned_from": known}))
    found = suggested(served, photos, tmp_path / "out")
    assert (len(found.table), list(found.table), found.labelled) == (0, ["name", "score", "reason"], 3)


def test_an_interrupted_run_resumes_and_sees_changed_images_again(
    predictor: Predictor, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    next(iter(SuggestionRun(predictor, FolderJob(photos, out)).look()))
    assert sorted(SuggestionRun(predictor, FolderJob(photos, out)).pending) == ["b", "more/c"]
    assert suggested(predictor, photos, out).table["name"].nunique() == 3
    Image.new("RGB", (40, 40), "red").save(photos / "a.png")
    assert list(SuggestionRun(predictor, FolderJob(photos, out)).pending) == ["a"]


def test_lists_of_two_models_are_not_mixed(predictor: Predictor, photos: Path, tmp_path: Path) -> None:
    suggested(predictor, photos, tmp_path / "out")
    other = random_predictor(seed=1)
    with pytest.raises(UserError, match="model differ"):
        SuggestionRun(other, FolderJob(photos, tmp_path / "out"))
    run = SuggestionRun(other, FolderJob(photos, tmp_path / "out"), overwrite=True)
    assert len(run.pending) == 3


def test_the_command_writes_and_prints_the_list(photos: Path, tmp_path: Path) -> None:
    random_predictor().save(tmp_path / "model")
    out = tmp_path / "out"
    arguments = ["suggest", str(photos), "--model", str(tmp_path / "model"), "--out", str(out), "--count", "2"]
    printed = CliRunner().invoke(prn, arguments)
    assert printed.exit_code == 0, printed.output
    table = pd.read_csv(out / TABLE)
    assert list(table) == ["name", "score", "reason"]
    assert len(table) == 2
    assert f"2 of 3 images to label next: {out / TABLE}" in printed.output
    first = table.iloc[0]
    assert f"  {first['name']}  {first['score']:.2f}  {first['reason']}" in printed.output
    assert not list(out.glob("masks*"))
    assert (out / JOURNAL).is_file()


def test_an_image_that_cannot_be_read_is_an_exit_code_and_does_not_stop_the_others(
    photos: Path, tmp_path: Path
) -> None:
    random_predictor().save(tmp_path / "model")
    (photos / "b.png").write_bytes(b"no picture")
    arguments = ["suggest", str(photos), "--model", str(tmp_path / "model"), "--out", str(tmp_path / "out")]
    printed = CliRunner().invoke(prn, arguments)
    assert printed.exit_code == 1
    assert sorted(pd.read_csv(tmp_path / "out" / TABLE)["name"]) == ["a", "more/c"]
    assert "b: " in printed.output
