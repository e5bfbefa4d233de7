"""Annotations of several categories: each format gives the classes that the settings name, or names those it has."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prn_pipeline.data.discovery.proposal import propose_block
from prn_pipeline.data.readers.factory import make_reader
from prn_pipeline.data.readers.records import Reader
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.errors import UserError
from tests.unit.data.annotation_writers import OF_OUTLINES, OF_PIXELS, Images, Objects

WRITERS = OF_PIXELS | OF_OUTLINES
#: A table of run-length codes with one column of codes and one of images has no categories.
WITH_CATEGORIES = [name for name in WRITERS if name != "Kaggle"]


def scenes() -> tuple[Images, Objects]:
    images = {name: np.full((24, 30, 3), 90, np.uint8) for name in ("a", "b", "c")}
    cell, dust = np.zeros((24, 30), bool), np.zeros((24, 30), bool)
    cell[3:9, 4:12], dust[12:20, 10:25] = True, True
    return images, {"a": [("cell", cell), ("dust", dust)], "b": [("dust", dust)], "c": []}


def reader(folder: Path, **changes: Any) -> Reader:
    found = propose_block(folder.name, folder.parent, folder.name)
    changed = {key: {**found.block[key], **value} if key == "annotations" else value for key, value in changes.items()}
    return make_reader(folder.name, DatasetSettings(**{**found.block, **changed}), folder.parent)


def values(of: Reader) -> dict[str, dict[int, int]]:
    """Sample -> value of its mask -> pixels."""
    masks = {record.sample_id: of.mask(record) for record in of.records()}
    return {name: {value: int((mask == value).sum()) for value in np.unique(mask)} for name, mask in masks.items()}


@pytest.mark.parametrize("name", WITH_CATEGORIES)
def test_classes_are_the_categories_of_their_names(name: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path, *scenes())
    found = values(reader(tmp_path, task="multiclass", classes=("nothing", "dust", "cell")))
    assert found == {"a": {0: 552, 1: 120, 2: 48}, "b": {0: 600, 1: 120}, "c": {0: 720}}


@pytest.mark.parametrize("name", WITH_CATEGORIES)
def test_one_category_may_be_foreground(name: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path, *scenes())
    found = values(reader(tmp_path, annotations={"categories": ("cell",)}))
    assert found == {"a": {0: 672, 1: 48}, "b": {0: 720}, "c": {0: 720}}


@pytest.mark.parametrize("name", WRITERS)
def test_a_class_that_no_outline_has_is_refused_with_those_that_there_are(name: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path, *scenes())
    there = "cell, dust" if name in WITH_CATEGORIES else "object"
    with pytest.raises(UserError, match=f"unknown category 'rust'.*[Tt]here (are|is) {there}"):
        reader(tmp_path, task="multiclass", classes=("nothing", "rust")).records()


@pytest.mark.parametrize("name", WITH_CATEGORIES)
def test_a_proposal_names_the_categories(name: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path, *scenes())
    notes = " ".join(propose_block(tmp_path.name, tmp_path.parent, tmp_path.name).notes)
    assert "with outlines of 'cell', 'dust'." in notes
    assert "`task: multiclass` and `classes: [background, cell, dust]`" in notes
