"""The values of all masks together show what those of one file cannot."""

import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from prn_pipeline.data.ingestion import inspect
from prn_pipeline.data.mask_values import check_mask_values, files_by_value
from prn_pipeline.data.readers.factory import make_reader
from prn_pipeline.data.readers.file_facts import MaskFacts, distinct_values, mask_facts
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.errors import UserError

Writer = Callable[..., Path]


def check(*values: tuple[int, ...], **block: Any) -> None:
    masks = {f"m{index}.png": MaskFacts(held) for index, held in enumerate(values)}
    check_mask_values("roads", DatasetSettings.model_validate(block), masks)


def refusal(*values: tuple[int, ...], **block: Any) -> str:
    with pytest.raises(UserError) as refused:
        check(*values, **block)
    return str(refused.value)


@pytest.mark.parametrize("values", [[0, 0], [3, 3], [0, 255], [0, 7, 9], [-1, 0, 70000]])
@pytest.mark.parametrize("kind", [np.uint8, np.int64])
def test_distinct_values_are_those_of_a_set(values: list[int], kind: type) -> None:
    if kind == np.uint8:
        values = [value % 256 for value in values]
    assert distinct_values(np.array([values, values], kind)).tolist() == sorted(set(values))
    assert mask_facts(np.array([values], kind)).values == tuple(sorted(set(values)))


def test_every_value_is_listed_with_its_files() -> None:
    masks = {"b": MaskFacts((0, 2)), "a": MaskFacts((0, 1))}
    assert files_by_value(masks) == {0: ["b", "a"], 1: ["a"], 2: ["b"]}


@pytest.mark.parametrize("values", [[(0, 255), (0,), (255,)], [(0, 1), (0, 1)], [(0,), (7,)], [(0, 40000)]])
def test_one_value_besides_0_in_all_masks_is_foreground(values: list[tuple[int, ...]]) -> None:
    check(*values)


def test_foreground_that_differs_by_file_is_refused_with_values_and_files() -> None:
    message = refusal((0, 1), (0, 2), (0, 3), (0, 1), (0,))
    assert "1 in 2 (m0.png, m3.png); 2 in 1 (m1.png); 3 in 1 (m2.png)" in message
    assert "`mask: {threshold: 0}`" in message
    assert "`mask: {values: [1]}`" in message
    assert "ignore_values" not in message


def test_255_beside_small_ids_may_be_void() -> None:
    message = refusal((0, 1), (0, 255))
    assert "255 in 1 (m1.png)" in message
    assert "`mask: {values: [1], ignore_values: [255]}`" in message


@pytest.mark.parametrize("values", [[(0, 1), (0, 255)], [(0, 1), (0, 2)], [(0, 1), (0, 254)], [(0, 1), (-1, 0)]])
def test_every_key_of_the_refusal_settles_it_without_a_warning(
    values: list[tuple[int, ...]], caplog: pytest.LogCaptureFixture
) -> None:
    proposed = re.findall(r"`(mask: \{.*?\})`", refusal(*values))
    assert len(proposed) >= 2
    for rule in proposed:
        if "ignore_values" in rule or "values: [1]" not in rule:
            check(*values, **yaml.safe_load(rule))
    assert not caplog.text


MIXED = [
    (MaskFacts((0, 255), chosen=("alpha: mask",)), MaskFacts((255,), doubts=("alpha: ignore",)), "alpha"),
    (
        MaskFacts((0, 3), chosen=("zero_is_white: stored",)),
        MaskFacts((255,), doubts=("zero_is_white: shown",)),
        "zero_is_white",
    ),
]


@pytest.mark.parametrize(("some", "other", "key"), MIXED)
def test_files_read_in_opposite_ways_are_refused_with_the_key_for_all(
    some: MaskFacts, other: MaskFacts, key: str
) -> None:
    settings = DatasetSettings.model_validate({"mask": {"threshold": 0}})
    with pytest.raises(UserError, match=f"1 masks .*a.png.* but 1 .*b.png.*mask: {{{key}: "):
        check_mask_values("roads", settings, {"a.png": some, "b.png": other})
    check_mask_values("roads", settings, {"a.png": some})
    check_mask_values("roads", settings, {"b.png": other})


def test_ignored_values_and_a_rule_settle_it() -> None:
    check((0, 1), (0, 255), mask={"ignore_values": [255]})
    check((0, 1), (0, 2), mask={"threshold": 0})
    check((0, 1), (0, 2), mask={"values": [1]})


def test_categories_of_few_shot_data_may_have_ids(caplog: pytest.LogCaptureFixture) -> None:
    check((0, 1), (0, 2), task="few_shot", split={"method": "ratio", "group": {"pattern": "(.)"}})
    assert "All of them count as foreground" in caplog.text


@pytest.mark.parametrize(
    ("values", "rule", "warning"),
    [
        ([(0, 1), (0, 1, 255)], {"values": [1]}, "1 mask holds 255 beside class ids up to 1, and it counts as backg"),
        ([(0, 1), (0, 1, 255)], {"threshold": 0}, "counts as foreground: m1.png"),
        ([(0, 1), (0, 2)], {"values": [1, 9]}, "9 of `mask.values` in no mask; they hold 0, 1, 2"),
        ([(0, 1), (0, 1, 254)], {"values": [1]}, "1 mask holds 254 beside class ids up to 1"),
        (
            [(-1, 0, 1), (0, 1)],
            {"threshold": 0},
            "1 mask holds -1 beside class ids up to 1, and it counts as background: m0",
        ),
        ([(0, 255), (0, 1)], {"threshold": 127}, "none above `mask.threshold: 127`: m1.png"),
    ],
)
def test_values_that_a_rule_probably_gets_wrong_are_a_warning(
    values: list[tuple[int, ...]], rule: dict[str, object], warning: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        check(*values, mask=rule)
    assert warning in caplog.text


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ([(0, 1, 127, 254, 255)], {"threshold": 127}),
        ([(0, 1, 254, 255)], {"threshold": 127}),
        ([(0, 1, 255)], {"values": [1], "ignore_values": [255]}),
        ([(0, 1), (0, 255)], {"values": [1, 255]}),
        ([(0, 255)], {"values": [255]}),
        ([(0, 1, 2), (0,)], {"threshold": 0}),
    ],
)
def test_rules_that_fit_are_no_warning(
    values: list[tuple[int, ...]], rule: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        check(*values, mask=rule)
    assert not caplog.text


def test_ingestion_refuses_masks_that_disagree(write_dataset: Writer) -> None:
    root = write_dataset([f"s{index}" for index in range(12)])
    for index in range(6):
        file = root / f"roads/masks/s{index}.png"
        Image.fromarray((np.asarray(Image.open(file)) > 0).astype(np.uint8)).save(file)
    settings = DatasetSettings(folds=3)
    with pytest.raises(UserError, match=r"1 in 6 \(roads/masks/s0\.png.*255 in 6 \(roads/masks/s10\.png"):
        inspect("roads", settings, make_reader("roads", settings, root))
