from typing import get_args

import pytest
from pydantic import ValidationError

from prn_pipeline.data.readers.factory import READERS
from prn_pipeline.data.settings import DatasetSettings, ReaderName, SyntheticSettings


def test_an_empty_block_is_a_complete_description() -> None:
    settings = DatasetSettings.model_validate({})
    assert (settings.images, settings.masks, settings.image_size, settings.folds) == ("images", "masks", 256, 5)
    assert settings.split.method == "ratio"
    assert SyntheticSettings().model_dump() == {"count": 240, "size": 128, "seed": 0}


@pytest.mark.parametrize(
    ("block", "named"),
    [
        ({"image_sise": 256}, "image_sise"),
        ({"split": {"method": "ratio", "vall": 0.1}}, "vall"),
        ({"split": {"method": "random"}}, "random"),
        ({"split": {"train": "train.txt", "test": "test.txt"}}, "method"),
        ({"split": {"method": "ratio", "val": 0.5, "test": 0.6}}, "more than all samples"),
        ({"split": {"method": "ratio", "group": {}}}, "pattern"),
        ({"split": {"method": "ratio", "group": {"pattern": "(a)", "file": "b.csv"}}}, "not both"),
        ({"mask": {"threshold": 1, "values": [2]}}, "not both"),
        ({"mask": {"values": [2, 3], "ignore_values": [3]}}, "[3]"),
        ({"pairing": {"by": "regex", "image": "(a)"}}, "mask"),
        ({"folder": "/data/roads"}, "PRN_DATA_ROOT"),
        ({"images": "../images"}, "below the data root"),
        ({"synthetic": {}}, "reader"),
        ({"reader": "synthetic", "masks": "labels"}, "remove masks"),
        ({"reader": "synthetic", "split": {"method": "folders"}}, "method: ratio"),
        ({"folds": 1}, "folds"),
    ],
)
def test_a_wrong_key_or_value_is_refused_by_name(block: dict[str, object], named: str) -> None:
    with pytest.raises(ValidationError) as refused:
        DatasetSettings.model_validate(block)
    assert named in str(refused.value)


@pytest.mark.parametrize("block", [{}, {"group": {"pattern": "^(.)"}}, {"seed": 3, "val": 0.1, "test": 0.3}])
def test_splits_are_drawn_unless_a_method_is_named(block: dict[str, object]) -> None:
    split = DatasetSettings.model_validate({"split": block}).split
    assert split == DatasetSettings.model_validate({"split": {"method": "ratio", **block}}).split


@pytest.mark.parametrize("method", ["lists", "folders"])
def test_splits_that_leave_nothing_to_learn_from_are_refused(method: str) -> None:
    block = {"method": method, "train": None, "test": "test"}
    with pytest.raises(ValidationError, match="both null"):
        DatasetSettings.model_validate({"split": block})
    assert DatasetSettings.model_validate({"split": {**block, "val": "val"}}).split.without_train


def test_every_reader_can_be_named_in_the_settings() -> None:
    assert set(READERS) == set(get_args(ReaderName))


def test_every_setting_is_documented() -> None:
    def undocumented(schema: dict[str, object]) -> list[str]:
        models = [schema, *schema["$defs"].values()]  # type: ignore[attr-defined]
        return [
            f"{model['title']}.{key}"
            for model in models
            for key, field in model.get("properties", {}).items()
            if not field.get("description")
        ]

    assert undocumented(DatasetSettings.model_json_schema()) == []
