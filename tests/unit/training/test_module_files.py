"""Trained modules load as they were saved, and mixed-up files are detected."""

import json
from pathlib import Path

import pytest
import torch

from prn_pipeline.errors import UserError
from prn_pipeline.refinement.patch_refine_net.refiner import PaperRefiner
from prn_pipeline.refinement.patch_refine_net.settings import PatchRefineNetSettings
from prn_pipeline.training.module_files import load_module, save_module, weights_digest

SETTINGS = PatchRefineNetSettings(width=4, grid=2)


def rebuild(settings: dict[str, object]) -> PaperRefiner:
    return PaperRefiner(PatchRefineNetSettings.model_validate(settings))


def saved(path: Path) -> PaperRefiner:
    refiner = PaperRefiner(SETTINGS)
    save_module(path, refiner, SETTINGS.model_dump(mode="json"))
    return refiner


def test_a_saved_module_loads_unchanged(tmp_path: Path) -> None:
    refiner = saved(tmp_path / "refiner.safetensors").eval()
    loaded = load_module(tmp_path / "refiner.safetensors", rebuild)
    logits = torch.randn(1, 1, 32, 32)
    assert torch.equal(refiner(logits), loaded(logits))
    assert weights_digest(refiner) == weights_digest(loaded)
    assert not loaded.training


@pytest.mark.parametrize("missing", ["refiner.safetensors", "refiner.json"])
def test_a_missing_file_is_named(tmp_path: Path, missing: str) -> None:
    saved(tmp_path / "refiner.safetensors")
    (tmp_path / missing).unlink()
    with pytest.raises(UserError, match=missing):
        load_module(tmp_path / "refiner.safetensors", rebuild)


def test_weights_of_another_training_are_rejected(tmp_path: Path) -> None:
    saved(tmp_path / "a.safetensors")
    saved(tmp_path / "b.safetensors")
    (tmp_path / "b.safetensors").rename(tmp_path / "a.safetensors")
    with pytest.raises(UserError, match="does not hold the weights that"):
        load_module(tmp_path / "a.safetensors", rebuild)


def test_damaged_weights_raise_an_error_with_a_remedy(tmp_path: Path) -> None:
    saved(tmp_path / "a.safetensors")
    (tmp_path / "a.safetensors").write_bytes(b"half")
    with pytest.raises(UserError, match="delete both and train again"):
        load_module(tmp_path / "a.safetensors", rebuild)


def test_weights_of_another_version_say_so(tmp_path: Path) -> None:
    saved(tmp_path / "a.safetensors")
    description = json.loads((tmp_path / "a.json").read_text())
    del description["schema"], description["checksum"]  # as the first version wrote it
    (tmp_path / "a.json").write_text(json.dumps(description))
    with pytest.raises(UserError, match=r"a.json has schema 1, expected 2: another version wrote it; train again"):
        load_module(tmp_path / "a.safetensors", rebuild)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"settings": None}, "no 'settings'"),
        ({"settings": {"width": 8, "grid": 2}}, "size mismatch"),
        ({"settings": {"width": "wide"}}, "valid integer"),
        ({"settings": {"unknown": 1}}, "unknown"),
    ],
)
def test_settings_that_were_changed_are_refused_with_the_reason(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    folder = tmp_path / "data/06_models/drive/unet/prn/seed-0"
    saved(folder / "refiner.safetensors")
    description = json.loads((folder / "refiner.json").read_text()) | changes
    del description["checksum"]  # as its own message says after a change
    kept = {key: value for key, value in description.items() if value is not None}
    (folder / "refiner.json").write_text(json.dumps(kept))
    with pytest.raises(UserError, match=rf"(?s)refiner.json describes .*{message}.*--pipelines prn_training --params"):
        load_module(folder / "refiner.safetensors", rebuild)
