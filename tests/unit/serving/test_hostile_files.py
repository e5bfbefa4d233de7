"""A file that unfolds is the failure of that file alone: in a folder of images, in its maps, and in a request."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import EpsImagePlugin

from benchmarks.hostile_files import PICTURES, npy, page, png, tiff
from prn_pipeline.data.readers.map_folder import MapFolder
from prn_pipeline.data.readers.map_reading import MapReading
from prn_pipeline.errors import UserError
from prn_pipeline.serving.folder_job import FolderJob
from prn_pipeline.serving.folder_run import FolderRun
from prn_pipeline.serving.predictor import Predictor
from prn_pipeline.serving.requests import answer
from prn_pipeline.serving.settings import PredictorSettings, RequestLimits
from tests.unit.serving.conftest import map_predictor


def with_limits(predictor: Predictor, **limits: int) -> Predictor:
    settings = predictor.settings.model_copy(update={"limits": RequestLimits(**limits)})
    return Predictor(predictor.base, predictor.refiner, settings)


def as_tiff(array: np.ndarray, **options: object) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, array, **options)  # type: ignore[arg-type]
    return file.getvalue()


def test_images_that_unfold_stop_no_other_image(predictor: Predictor, photos: Path, tmp_path: Path) -> None:
    bad = {f"bad_{name.replace('.', '_')}": name for name in PICTURES if not name.endswith((".npy", ".eps"))}
    for stem, name in bad.items():
        (photos / f"{stem}{Path(name).suffix}").write_bytes(PICTURES[name])
    outcomes = dict(FolderRun(predictor, FolderJob(photos, tmp_path / "out")).refine())
    assert {name for name, error in outcomes.items() if error} == set(bad)
    table = pd.read_csv(tmp_path / "out" / "refined.csv").set_index("name")
    assert table["error"].notna().sum() == len(bad)
    assert table.loc["a", "height"] > 0


def test_maps_that_unfold_stop_no_other_image(photos: Path, tmp_path: Path) -> None:
    maps = tmp_path / "maps"
    (maps / "more").mkdir(parents=True)
    np.save(maps / "a.npy", np.full((40, 60), 0.7, np.float32))
    (maps / "b.npy").write_bytes(npy((200_000, 200_000), values=b"\0" * 100))
    job = FolderJob(photos, tmp_path / "out", maps=MapFolder(tmp_path, "maps", None, MapReading()))
    outcomes = dict(FolderRun(map_predictor(), job).refine())
    assert "b.npy: cannot be read (its header declares 200000 x 200000 pixels" in str(outcomes["b"])
    assert set(outcomes) == {"a", "b", "more/c"}


@pytest.mark.parametrize("name", [name for name in PICTURES if not name.endswith(".eps")])
def test_a_request_that_unfolds_is_answered_with_a_reason(predictor: Predictor, name: str) -> None:
    with pytest.raises(UserError, match=r"^row 0: the file"):
        answer(predictor, pd.DataFrame({"image": [PICTURES[name]]}))
    with pytest.raises(UserError, match=r"^row 0: the file"):
        answer(map_predictor(), pd.DataFrame({"map": [PICTURES[name]]}))


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (as_tiff(np.zeros((3, 700, 800), np.uint8), photometric="rgb", planarconfig="separate"), None),
        (
            as_tiff(np.zeros((3, 1001, 1000), np.uint8), photometric="rgb", planarconfig="separate"),
            "1000 x 1001 pixels, 3",
        ),
        (as_tiff(np.zeros((9, 400, 300), np.uint8), photometric="minisblack"), "300 x 400 pixels, 9 pages"),
        (as_tiff(np.zeros((9, 700, 700), np.uint8), photometric="minisblack", planarconfig="separate"), "9 bands"),
        (tiff([page(1, 1_000_001)]), "1000001 x 1 pixels"),
        (png(1001, 1000), "1000 x 1001 pixels"),
        (as_tiff(np.zeros((1000, 1000), np.uint8)), None),
    ],
    ids=["planar", "large planar", "pages", "bands", "wide", "png", "at the limit"],
)
def test_pixels_are_counted_in_planes_and_pages(predictor: Predictor, content: bytes, found: str | None) -> None:
    small = with_limits(predictor, megapixels=1)
    if found is None:
        assert len(answer(small, pd.DataFrame({"image": [content]}))) == 1
        return
    with pytest.raises(UserError, match=f"the file: .*{found}.*, expected at most 1 million; cut it into tiles"):
        answer(small, pd.DataFrame({"image": [content]}))


def test_an_array_has_no_more_pixels_than_a_picture() -> None:
    file = io.BytesIO()
    np.save(file, np.zeros((1001, 1000), np.uint8))
    with pytest.raises(UserError, match="the file: 1000 x 1001 pixels, expected at most 1 million"):
        answer(with_limits(map_predictor(), megapixels=1), pd.DataFrame({"map": [file.getvalue()]}))


def test_all_files_of_a_request_together_are_limited(predictor: Predictor) -> None:
    content = png(20, 20) + b" " * (2**20 // 2)
    small = with_limits(predictor, megabytes=1, request_megabytes=1)
    with pytest.raises(UserError, match=r"^1\.5 MiB in one request, expected at most 1: send several requests$"):
        answer(small, pd.DataFrame({"image": [content] * 3}))


def test_no_request_reaches_ghostscript(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    reached: list[object] = []
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *found, **_: reached.append(found))
    with pytest.raises(UserError, match="not a readable picture"):
        answer(predictor, pd.DataFrame({"image": [PICTURES["vector.eps"]]}))
    assert not reached


def test_limits_of_a_predictor_apply_to_folders_and_change_no_digest(predictor: Predictor, photos: Path) -> None:
    values = {**predictor.settings.model_dump(), "read_limits": {"gibibytes": 1e-9}}
    tight = Predictor(predictor.base, predictor.refiner, PredictorSettings.model_validate(values))
    with pytest.raises(UserError, match=r"expected at most 1e-09\..* for a predictor: `predictor`"):
        tight.predict(photos)
    assert tight.digest == predictor.digest
    assert "read_limits" not in predictor.settings.model_dump()
