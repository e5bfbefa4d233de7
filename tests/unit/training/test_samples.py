"""Stored samples as batches: from disk, from memory and from worker processes."""

import numpy as np
import pytest
import torch

from prn_pipeline.data.store.array_store import ArrayStore
from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.training.samples import StoredSamples, drawn_once, loader
from prn_pipeline.training.settings import TrainingSettings

ARRAYS = {"inputs": "images", "masks": "masks"}


def test_a_last_batch_of_one_sample_is_dropped_in_training(bright_squares: Samples) -> None:
    rows = bright_squares.rows(["train"])[:9]
    samples = StoredSamples(bright_squares, rows, ARRAYS)
    settings = TrainingSettings(batch_size=4)
    assert [len(batch["inputs"]) for batch in loader(samples, settings, shuffle=True)] == [4, 4]
    assert [len(batch["inputs"]) for batch in loader(samples, settings, shuffle=False)] == [4, 4, 1]
    assert samples[0]["inputs"].shape == (3, 64, 64)


def test_samples_in_memory_equal_those_on_disk_and_are_held_only_if_they_fit(
    bright_squares: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = np.array([20, 3, 3, 11, 0, 20])
    arrays = {"inputs": "images", "maps": "logits", "masks": "masks"}
    needed = 4 * 64 * 64 * (3 + 2 + 1)  # bytes of the four distinct rows
    held, read = (StoredSamples(bright_squares, rows, arrays, memory=memory) for memory in (needed, needed - 1))
    for index in range(6):
        assert all(torch.equal(held[index][key], read[index][key]) for key in arrays)
    calls: list[str] = []
    monkeypatch.setattr(ArrayStore, "read", lambda *_: calls.append("read") or np.zeros((1, 64, 64, 3), np.uint8))
    held[0]
    assert not calls
    read[0]
    assert calls


def test_an_epoch_may_have_any_number_of_steps(bright_squares: Samples) -> None:
    samples = StoredSamples(bright_squares, bright_squares.rows(["train"]), ARRAYS)  # 12 samples
    for steps in (2, 3, 7):
        batches = list(loader(samples, TrainingSettings(batch_size=4, steps_per_epoch=steps), shuffle=True))
        assert [len(batch["inputs"]) for batch in batches] == [4] * steps
    first_pass = torch.cat([batch["inputs"] for batch in batches[:3]]).flatten(1).float().sum(1)
    assert len(first_pass.unique()) == 12, "every sample is seen once before any is seen twice"


def test_worker_processes_read_samples_themselves(bright_squares: Samples) -> None:
    assert TrainingSettings(memory=2).memory_bytes == 2 * 2**30
    settings = TrainingSettings(workers=1, batch_size=3)
    samples = StoredSamples(bright_squares, np.arange(6), ARRAYS, memory=settings.memory_bytes)
    (first, second) = loader(samples, settings, shuffle=False)
    here = StoredSamples(bright_squares, np.arange(6), ARRAYS, memory=2**30)
    assert torch.equal(
        torch.cat([first["inputs"], second["inputs"]]), torch.stack([here[i]["inputs"] for i in range(6)])
    )


def test_validation_sees_the_same_samples_every_time_and_no_more_than_so_many(bright_squares: Samples) -> None:
    samples = StoredSamples(bright_squares, np.arange(20), ARRAYS)
    settings = TrainingSettings(batch_size=4, validation_samples=5)
    batches = loader(samples, settings, shuffle=False)
    first, again = (torch.cat([batch["inputs"] for batch in batches]) for _ in range(2))
    assert torch.equal(first, torch.stack([samples[index]["inputs"] for index in drawn_once(20, 5)]))
    assert torch.equal(first, again)
    assert len(loader(samples, TrainingSettings(batch_size=4, validation_samples=None), shuffle=False)) == 5
    assert len(loader(samples, settings, shuffle=True)) == 5, "training sees all of them"


@pytest.mark.parametrize(("count", "most"), [(0, 3), (2, 3), (3, 3), (10, 3), (1001, 1000)])
def test_samples_are_drawn_without_repeats_and_in_order(count: int, most: int) -> None:
    chosen = drawn_once(count, most)
    assert chosen == sorted(set(chosen))
    assert len(chosen) == min(count, most)
    assert set(chosen) <= set(range(count))


def test_every_class_of_every_image_can_be_drawn() -> None:
    """11 maps of each image: at equal distances, 1000 of 11,000 would all be of one class."""
    shares = np.bincount(np.array(drawn_once(11_000, 1000)) % 11) / 1000
    assert shares.max() < 2 * shares.min()
