"""What comparison methods select on the maps that a refiner may learn from."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from prn_pipeline.comparison import table
from prn_pipeline.comparison.components import COMPONENT, HOLE
from prn_pipeline.data.store.array_store import ArrayStore, ArrayStream, write_arrays
from prn_pipeline.data.store.class_maps import CLASSES, map_samples
from prn_pipeline.data.store.sample_store import IDENTITY, Samples
from prn_pipeline.segmentation.map_assignment import assign_models
from prn_pipeline.stages.evaluation.measuring import measure
from prn_pipeline.stages.evaluation.scoring import score_methods
from prn_pipeline.stages.evaluation.tuning import tune

SPECK = 3


def speckled(squares: Samples, folder: Path, on_test: bool) -> tuple[Samples, ArrayStore]:
    """Perfect maps of val with a wrong speck each; those of test have one too, or are all wrong."""
    folder.mkdir()
    rows = np.arange(len(squares.manifest))
    masks = squares.array("masks", rows)
    logits = (4.0 * masks - 2).astype(np.float16)
    logits[:, :SPECK, :SPECK] = 2
    if not on_test:
        logits[squares.rows(["test"])] *= -1
    write_arrays(folder / "l.zarr", ArrayStream([{"logits": logits}], {IDENTITY: squares.manifest.attrs[IDENTITY]}))
    write_arrays(folder / "r.zarr", ArrayStream([{"logits": logits[squares.rows(["test"])]}]))
    return Samples(squares.manifest, squares.stores | {"logits": ArrayStore(folder / "l.zarr")}), ArrayStore(
        folder / "r.zarr"
    )


@pytest.fixture
def holdout(bright_squares: Samples) -> pd.DataFrame:
    return assign_models(bright_squares.manifest, "holdout", {})


def test_the_size_of_components_is_selected_on_val_and_removes_the_specks_of_test(
    bright_squares: Samples, holdout: pd.DataFrame, tmp_path: Path
) -> None:
    samples, refined = speckled(bright_squares, tmp_path / "maps", on_test=True)
    tuned = tune(samples, holdout, 16)
    assert set(tuned.selected) == {"components", "components_tuned"}
    for selected in tuned.selected.values():
        assert SPECK**2 < selected[COMPONENT] * 64 * 64 < 24**2
        assert selected[HOLE] == 0, "there are no holes, and ties go to the smaller size"
    scored = score_methods(measure(samples, refined, samples.rows(["test"]), tuned), tuned, resamples=100, seed=0)
    assert scored["methods"]["base"]["iou_micro"] == pytest.approx(24**2 / (24**2 + SPECK**2))
    assert scored["methods"]["components"]["iou_micro"] == 1
    assert scored["methods"]["components"]["selected"] == tuned.selected["components"]
    assert scored["methods"]["components_tuned"]["threshold"] == tuned.thresholds["base"][0]
    assert "selected" not in scored["methods"]["base"]
    assert scored["gain"]["vs_best_free"]["method"] == "components"
    assert scored["gain"]["vs_components"]["iou_micro"] < 0


def test_maps_of_test_select_nothing(bright_squares: Samples, holdout: pd.DataFrame, tmp_path: Path) -> None:
    same, other = (speckled(bright_squares, tmp_path / str(on_test), on_test)[0] for on_test in (True, False))
    assert tune(same, holdout, 16) == tune(other, holdout, 16)


def test_several_classes_have_thresholds_but_no_sizes_of_components(bright_squares: Samples, tmp_path: Path) -> None:
    manifest = bright_squares.manifest
    masks = bright_squares.array("masks", np.arange(len(manifest)))
    of_classes = np.stack([1 - masks, masks], axis=1).reshape(-1, *masks.shape[1:])
    arrays = {"samples": {"masks": masks}, "logits": {"logits": (2.0 * of_classes - 1).astype(np.float16)}}
    for name, batch in arrays.items():
        attributes = {IDENTITY: manifest.attrs[IDENTITY]} | ({CLASSES: 2} if name == "samples" else {})
        write_arrays(tmp_path / f"{name}.zarr", ArrayStream([batch], attributes))
    samples = map_samples(manifest, {name: ArrayStore(tmp_path / f"{name}.zarr") for name in arrays})
    assert samples.maps_per_image == 2
    tuned = tune(samples, assign_models(samples.manifest, "holdout", {}), 16)
    assert len(tuned.thresholds["base"]) == 2
    assert tuned.selected == {}


def test_every_method_with_a_tuner_reads_what_it_selected() -> None:
    with_tuner = {method.name for method in table.METHODS if method.tuner is not None}
    assert with_tuner == {"components", "components_tuned"}
    for method in table.METHODS:
        assert method.tuner is None or method.tuner({"base": [0.5, 0.5]}) is None, "no form for several classes"
