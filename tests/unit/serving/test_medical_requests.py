"""A server and `prn refine` read DICOM and NIfTI files as the data set does."""

import base64
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from prn_pipeline.errors import UserError
from prn_pipeline.serving.folder_job import FolderJob
from prn_pipeline.serving.folder_run import FolderRun
from prn_pipeline.serving.predictor import Predictor
from prn_pipeline.serving.requests import answer

nibabel = pytest.importorskip("nibabel")
pydicom = pytest.importorskip("pydicom")
GREY = np.random.default_rng(0).integers(0, 256, (40, 60), dtype=np.uint8)


def written(folder: Path) -> dict[str, Path]:
    """The same picture in three formats."""
    folder.mkdir()
    for name in ("slice.nii", "packed.nii.gz"):
        nibabel.save(nibabel.Nifti1Image(GREY.T, np.eye(4)), folder / name)
    Image.fromarray(GREY).save(folder / "plain.png")
    return {path.name: path for path in sorted(folder.iterdir())}


def test_a_picture_has_the_same_mask_in_every_format(predictor: Predictor, tmp_path: Path) -> None:
    files = written(tmp_path / "photos")
    expected = 255 * predictor.predict(files["plain.png"])[0].mask
    for name, path in files.items():
        row = answer(predictor, pd.DataFrame({"image": [path.read_bytes()]})).iloc[0]
        found = np.asarray(Image.open(io.BytesIO(base64.b64decode(row["mask"]))))
        np.testing.assert_array_equal(found, expected, err_msg=name)
    assert len(files) == 3
    run = FolderRun(predictor, FolderJob(tmp_path / "photos", tmp_path / "out"))
    assert dict(run.refine()) == {"packed": None, "plain": None, "slice": None}
    shapes = {path.name: np.asarray(Image.open(path)).shape for path in (tmp_path / "out/masks").iterdir()}
    assert shapes == {"packed.png": (40, 60), "plain.png": (40, 60), "slice.png": (40, 60)}


def test_the_limit_of_pixels_holds_for_volumes(predictor: Predictor, tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(np.zeros((1000, 1000, 60), np.uint8), np.eye(4)), tmp_path / "a.nii.gz")
    table = pd.DataFrame({"image": [(tmp_path / "a.nii.gz").read_bytes()]})
    with pytest.raises(UserError, match="row 0: the file: 1000 x 1000 pixels, 60 pages, expected at most 50 million"):
        answer(predictor, table)
