"""Masks that tell nothing apart, and classes that a split lacks."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from prn_pipeline.data.classes_present import refuse_one_class, warn_of_absent_classes
from prn_pipeline.data.ingestion import inspect
from prn_pipeline.data.readers.factory import make_reader
from prn_pipeline.data.readers.file_facts import MaskFacts
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.errors import UserError

Writer = Callable[..., Path]


@pytest.mark.parametrize(("value", "missing"), [(0, "foreground"), (255, "background")])
def test_masks_of_one_class_are_refused_with_their_values(write_dataset: Writer, value: int, missing: str) -> None:
    root = write_dataset([f"s{index:02d}" for index in range(12)])
    for file in (root / "roads/masks").iterdir():
        Image.new("L", (10, 12), value).save(file)
    settings = DatasetSettings(folds=3)
    with pytest.raises(UserError, match=rf"no {missing} pixel in 12 masks.*hold {value}\. Check .*mask\.values"):
        inspect("roads", settings, make_reader("roads", settings, root))


@pytest.mark.parametrize(("foreground", "remedy"), [(0.0, "Draw outlines"), (1.0, "surrounds the objects out")])
def test_of_annotations_the_remedy_is_not_a_key_of_mask_files(foreground: float, remedy: str) -> None:
    settings = DatasetSettings.model_validate({"annotations": {"format": "coco", "files": ["x.json"]}})
    with pytest.raises(UserError, match=rf"masks of 3 annotated images.*{remedy}") as caught:
        refuse_one_class("cells", settings, [foreground] * 3, {"x.json (a)": MaskFacts((0,))})
    assert "mask.values" not in str(caught.value)


def test_classes_that_a_split_lacks_are_named(caplog: pytest.LogCaptureFixture) -> None:
    settings = DatasetSettings.model_validate({"task": "multiclass", "classes": ["soil", "crop", "weed", "stone"]})
    masks = [MaskFacts((0, 1)), MaskFacts((0, 2)), MaskFacts((0, 1)), MaskFacts((0, 1, 2))]
    with caplog.at_level(logging.WARNING):
        warn_of_absent_classes("field", settings, masks, ["train", "train", "val", "test"])
    assert "weed (2) in val; stone (3) in train, val or test." in caplog.text
    caplog.clear()
    warn_of_absent_classes("field", settings, [MaskFacts((0, 1, 2, 3))] * 2, ["val", "test"])
    warn_of_absent_classes("roads", DatasetSettings(), [MaskFacts((0, 1))], ["train"])
    assert not caplog.text
