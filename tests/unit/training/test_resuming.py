"""An interrupted training ends with its exit code, and the next one resumes it."""

import signal
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch import Tensor, nn

from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.processes.locks import checkpoint_lock
from prn_pipeline.segmentation.objective import MaskObjective
from prn_pipeline.training.checkpoints import damage, names_that_differ
from tests.unit.training.small_training import same, train


class Interrupted(MaskObjective):
    """Fails once, in the third epoch."""

    steps = 0

    def __call__(self, network: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        Interrupted.steps += 1
        if Interrupted.steps == 13:
            raise RuntimeError("power cut")
        return super().__call__(network, batch)


def test_an_interrupted_training_resumes_where_it_stopped(bright_squares: Samples, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="power cut"):
        train(bright_squares, tmp_path / "c", epochs=5, objective=Interrupted("bce"))
    before = Interrupted.steps
    continued = train(bright_squares, tmp_path / "c", epochs=5, objective=Interrupted("bce"))
    assert continued.history["epoch"].tolist() == [1, 2, 3, 4, 5], "history before the interruption is kept"
    assert Interrupted.steps - before < 5 * 5, "finished epochs are not trained again"


class RaisesSigtermException(MaskObjective):
    """Ends a training as Lightning does after SIGTERM."""

    def __call__(self, network: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        raise SIGTERMException


def test_a_training_that_sigterm_ends_exits_with_an_error_code(bright_squares: Samples, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        train(bright_squares, tmp_path / "c", objective=RaisesSigtermException("bce"))
    assert ended.value.code == 143


class RaisesKeyboardInterrupt(MaskObjective):
    """Ends a training as Ctrl-C does."""

    def __call__(self, network: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        raise KeyboardInterrupt("by hand")


@pytest.mark.parametrize("more", [{}, {"keep_untrained": True, "keep": "best"}], ids=["training", "first validation"])
def test_ctrl_c_raises_keyboard_interrupt_and_works_a_second_time(
    bright_squares: Samples, tmp_path: Path, more: dict[str, Any]
) -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt, match="by hand"):
        train(bright_squares, tmp_path / "c", objective=RaisesKeyboardInterrupt("bce"), **more)
    assert signal.getsignal(signal.SIGINT) is before


def test_two_runs_of_one_training_take_turns(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Otherwise, of two refiners with one base model, the first would remove the checkpoints of the second."""
    order = []

    def second() -> None:
        with checkpoint_lock(tmp_path / "c"):
            order.append("second")

    with checkpoint_lock(tmp_path / "c"):
        waiting = threading.Thread(target=second)
        waiting.start()
        waiting.join(0.3)
        order.append("first")
    waiting.join(10)
    assert order == ["first", "second"]
    assert "another run is doing this training" in caplog.text
    with checkpoint_lock(tmp_path / "other"):
        pass


class FailsInTheEighthEpoch(MaskObjective):
    """Fails once, in the eighth epoch, after earlier epochs were better than the seventh."""

    steps = 0

    def __call__(self, network: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        if network.training:
            FailsInTheEighthEpoch.steps += 1
            if FailsInTheEighthEpoch.steps == 7 * 3 + 2:
                raise RuntimeError("power cut")
        return super().__call__(network, batch)


@pytest.mark.parametrize(
    ("schedule", "optimizer"),
    [("constant", "adamw"), ("plateau", "adamw"), ("one_cycle", "adamw"), ("one_cycle", "muon"), ("cosine", "muon")],
)
def test_an_interrupted_training_ends_with_the_weights_of_an_uninterrupted_one(
    bright_squares: Samples, tmp_path: Path, schedule: str, optimizer: str
) -> None:
    """Even if the last epoch was not the best, which is the only one that Lightning would resume from."""
    settings = {
        "epochs": 10,
        "schedule": schedule,
        "optimizer": optimizer,
        "plateau_patience": 2,
        "monitor": "val_iou_micro",
        "learning_rate": 0.3,
        "keep": "last",
        "augmentation": {"flips": True, "turns": True, "brightness": 0.2},
    }
    whole = train(bright_squares, tmp_path / "a", **settings)
    if schedule in ("constant", "plateau"):  # the others improve until the end
        assert whole.history["val_iou_micro"][:7].idxmax() < 6, "the seventh epoch must not be the best so far"
    FailsInTheEighthEpoch.steps = 0
    with pytest.raises(RuntimeError, match="power cut"):
        train(bright_squares, tmp_path / "b", objective=FailsInTheEighthEpoch("bce"), **settings)
    before = FailsInTheEighthEpoch.steps
    continued = train(bright_squares, tmp_path / "b", objective=FailsInTheEighthEpoch("bce"), **settings)
    assert FailsInTheEighthEpoch.steps - before == 3 * 3, "finished epochs are not trained again"
    columns = ["epoch", "train_loss", "val_loss", "val_iou_micro", "learning_rate"]
    assert continued.history[columns].equals(whole.history[columns])
    assert same(continued, whole)


def test_a_truncated_checkpoint_restarts_the_training(
    bright_squares: Samples, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "last.ckpt").write_bytes(b"half a checkpoint")
    trained = train(bright_squares, tmp_path / "c", epochs=2)
    assert len(trained.history) == 2
    assert "cannot be read" in caplog.text


@pytest.mark.parametrize("name", ["spare.weight", "layers.0.bias"], ids=["a layer more", "a layer of another shape"])
def test_a_checkpoint_of_another_network_restarts_the_training(
    bright_squares: Samples, tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """As after an update of this pipeline, or of the library that builds the network."""
    Interrupted.steps = 0
    with pytest.raises(RuntimeError, match="power cut"):
        train(bright_squares, tmp_path / "c", epochs=5, objective=Interrupted("bce"))
    last = tmp_path / "c" / "last.ckpt"
    checkpoint = torch.load(last, weights_only=False)
    checkpoint["state_dict"][f"network.{name}"] = torch.zeros(3)
    torch.save(checkpoint, last)
    trained = train(bright_squares, tmp_path / "c", epochs=5)
    assert f"holds another network, which differs in {name}: training starts from the beginning" in caplog.text
    assert same(trained, train(bright_squares, tmp_path / "d", epochs=5))


class _WithNotes(nn.Module):
    """A module that stores something beside its weights, and gets a shape from its first batch."""

    def __init__(self, width: int | None = None) -> None:
        super().__init__()
        self.layer = nn.LazyLinear(2) if width is None else nn.Linear(width, 2)

    def get_extra_state(self) -> dict[str, int]:
        return {"batches": 3}

    def set_extra_state(self, state: dict[str, int]) -> None:
        pass


def test_a_checkpoint_fits_layers_without_a_shape_and_whatever_is_stored_beside_weights() -> None:
    stored = {f"network.{name}": value for name, value in _WithNotes(5).state_dict().items()}
    assert names_that_differ({**stored, "loss.weight": torch.zeros(2)}, _WithNotes()) == []
    assert names_that_differ(stored, _WithNotes(6)) == ["layer.weight"]
    assert names_that_differ({}, _WithNotes(5)) == ["layer.bias", "layer.weight"]


def test_every_change_of_a_checkpoint_that_torch_would_not_notice_is_found(tmp_path: Path) -> None:
    file = tmp_path / "last.ckpt"
    torch.save({"weight": torch.tensor([3.0, 5.0])}, file)
    assert damage(file) is None
    intact = file.read_bytes()
    flipped_number = intact.index(torch.tensor([3.0, 5.0]).numpy().tobytes())
    attributes = intact.index(b"PK\x01\x02") + 38  # of the first record in the directory of the archive
    for place, bit, message in (
        (flipped_number, 1, "does not match its checksum"),
        (attributes, 16, "marked as a folder"),
    ):
        changed = bytearray(intact)
        changed[place] ^= bit
        file.write_bytes(changed)
        assert message in (damage(file) or "")
