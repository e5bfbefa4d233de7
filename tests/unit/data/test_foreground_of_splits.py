"""Splits without foreground, and splits of very different foreground."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from prn_pipeline.data.ingestion import inspect
from prn_pipeline.data.readers.factory import make_reader
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.data.splits.foreground import check_foreground
from prn_pipeline.errors import UserError

Writer = Callable[..., Path]


def manifest(**shares: list[float]) -> pd.DataFrame:
    rows = [(split, share) for split, values in shares.items() for share in values]
    return pd.DataFrame(rows, columns=["split", "foreground"]).assign(group=[str(row) for row in range(len(rows))])


@pytest.mark.parametrize("split", ["val", "test"])
def test_a_split_without_foreground_is_refused_when_it_is_measured(write_dataset: Writer, split: str) -> None:
    ids = [f"s{index:02d}" for index in range(12)]
    root = write_dataset(ids)
    table = pd.DataFrame({"sample_id": ids, "split": ["train"] * 6 + ["val"] * 3 + ["test"] * 3})
    table.to_csv(root / "roads/splits.csv", index=False)
    for sample_id in table.loc[table["split"] == split, "sample_id"]:
        Image.new("L", (10, 12)).save(root / f"roads/masks/{sample_id}.png")
    block: dict[str, Any] = {"folds": 3, "split": {"method": "column", "file": "splits.csv"}}
    settings = DatasetSettings.model_validate(block)
    with pytest.raises(
        UserError, match=rf"no foreground pixel in the 3 images of {split}.*split: {{method: ratio, seed"
    ):
        inspect("roads", settings, make_reader("roads", settings, root))


def test_a_train_split_without_foreground_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    check_foreground("roads", manifest(train=[0, 0, np.nan], val=[0.1], test=[0.2]))
    assert "no foreground pixel in the 3 images of train" in caplog.text


def test_very_different_shares_are_a_warning_with_the_shares(caplog: pytest.LogCaptureFixture) -> None:
    rng = np.random.default_rng(0)
    few, many = (np.clip(rng.normal(mean, 0.01, 40), 0, 1).tolist() for mean in (0.04, 0.2))
    with caplog.at_level(logging.WARNING):
        check_foreground("roads", manifest(train=few, val=few[:9], test=many))
    assert "3.9 % in train" in caplog.text
    assert "20 % in test" in caplog.text


def test_differences_that_chance_explains_are_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    for seed in range(40):
        rng = np.random.default_rng(seed)
        draw = [(rng.gamma(0.5, 0.1, n).clip(0, 1) + 1e-4).tolist() for n in (60, 10, 12)]  # skewed, as lesions are
        check_foreground("lesions", manifest(train=draw[0], val=draw[1], test=draw[2]))
    assert caplog.text.count("covers") <= 1
    check_foreground("two", manifest(train=[0.5], val=[0.1], test=[0.1]))


def test_masks_that_probably_mark_the_background_are_a_warning_whose_key_inverts_them(
    write_dataset: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    root = write_dataset([f"s{index:02d}" for index in range(12)])
    for file in (root / "roads/masks").iterdir():
        mask = np.full((12, 10), 255, np.uint8)
        mask[4:6, 3:7] = 0
        Image.fromarray(mask).save(file)
    with caplog.at_level(logging.WARNING):
        ingest = inspect(
            "roads", settings := DatasetSettings(folds=3, image_size=(16, 16)), make_reader("roads", settings, root)
        )
    assert "covers 93 % of an image" in caplog.text
    proposed = yaml.safe_load(caplog.text.split("`")[1])
    caplog.clear()
    settings = DatasetSettings.model_validate({"folds": 3, "image_size": [16, 16], **proposed})
    inverted = inspect("roads", settings, make_reader("roads", settings, root))
    np.testing.assert_allclose(inverted["foreground"], 1 - ingest["foreground"])
    assert not caplog.text
