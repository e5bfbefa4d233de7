"""The data sets that the project is benchmarked on, as conf/base describes them."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from prn_pipeline.data.batches import read_batches
from prn_pipeline.data.ingestion import inspect
from prn_pipeline.data.readers.factory import make_reader
from prn_pipeline.data.settings import DatasetSettings

CONF = Path(__file__).resolve().parents[3] / "conf" / "base" / "parameters_datasets.yml"
BLOCKS = yaml.safe_load(CONF.read_text(encoding="utf-8"))["datasets"]


@pytest.mark.parametrize("name", BLOCKS)
def test_every_block_of_the_configuration_is_valid_and_none_of_its_keys_is_lost(name: str) -> None:
    settings = DatasetSettings.model_validate(BLOCKS[name])
    assert set(BLOCKS[name]) <= settings.model_fields_set


@pytest.mark.parametrize(
    ("name", "samples", "foreground"),
    [("epfl_roads", (60, 20, 20), 0.20), ("crackforest", (70, 24, 24), 0.016), ("drive", (15, 5, 20), 0.126)],
)
def test_a_real_data_set_is_read_completely(
    name: str, samples: tuple[int, int, int], foreground: float, data_root: Path
) -> None:
    settings = DatasetSettings.model_validate(BLOCKS[name])
    reader = make_reader(name, settings, data_root)
    manifest = inspect(name, settings, reader)
    counts = manifest["split"].value_counts()
    assert (counts["train"], counts["val"], counts["test"]) == samples
    assert manifest["foreground"].mean() == pytest.approx(foreground, abs=0.005)
    assert manifest["sha256"].is_unique
    assert not manifest["video"].any()
    images, masks = next(read_batches(reader, manifest, settings.image_size, batch_size=4))
    assert images.shape == (4, settings.image_size, settings.image_size, 3)
    assert set(np.unique(masks)) == ({0, 1, 255} if name == "drive" else {0, 1})


def test_the_published_lists_of_kvasir_seg_are_kept(data_root: Path) -> None:
    settings = DatasetSettings.model_validate(BLOCKS["kvasir_seg"])
    records = make_reader("kvasir_seg", settings, data_root).records()
    assert sum(record.split == "train" for record in records) == 880
    assert sum(record.split == "test" for record in records) == 120


def test_drives_through_a_town_are_videos(data_root: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = DatasetSettings.model_validate(BLOCKS["camvid_cars"])
    manifest = inspect("camvid_cars", settings, make_reader("camvid_cars", settings, data_root))
    assert manifest["video"].all()
    assert "look like frames of videos" in caplog.text
