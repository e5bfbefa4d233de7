"""Which tensors of a checkpoint are a network's weights: wrappers prefix names, trainers add tensors of their own."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from prn_pipeline.training.foreign_checkpoints import Checkpoint

logger = logging.getLogger(__name__)

#: Names per kind of mismatch that one message lists.
MAX_LISTED = 10
#: Parts of names that PyTorch inserts at any depth, where a module is compiled, sharded or checkpointed.
INSERTED = re.compile(r"\b(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
#: Counters of batch norm, which old checkpoints lack; they matter only to batch norm without momentum.
COUNTER = "num_batches_tracked"
#: Last parts of names of tensors that follow from the architecture or count operations; none of them is learned.
DERIVED = (COUNTER, "total_ops", "total_params", "attn_mask", "relative_position_index", "relative_coords_table")
#: Marks of averaged copies of the weights in a prefix.
AVERAGED = re.compile(r"(^|[._])(ema|swa|averaged|shadow)([._]|$)")


class MismatchError(Exception):
    """Says which names or shapes differ."""


@dataclass(frozen=True)
class Match:
    """A reading of a checkpoint: the weight `absent + rest` of the network is the tensor `prefix + rest`.

    Attributes:
        checkpoint: what is read.
        expected: the state dict of the network.
        prefix: what the checkpoint has before the names of the network; empty, or with a dot at its end.
        absent: what all names of the network begin with and those of the checkpoint lack.
    """

    checkpoint: Checkpoint
    expected: Mapping[str, Tensor]
    prefix: str
    absent: str = ""

    @cached_property
    def weights(self) -> dict[str, Tensor]:
        """The tensors that the network expects, by its names."""
        found = self.checkpoint.tensors
        return {name: found[self._address(name)] for name in self.expected if self._address(name) in found}

    @cached_property
    def missing(self) -> list[str]:
        """Names of weights that the checkpoint lacks; counters of batch norm may be missing."""
        return [name for name in self.expected if name not in self.weights and not name.endswith(COUNTER)]

    @cached_property
    def unlike(self) -> list[str]:
        """Weights whose shape or kind of number differs."""
        pairs = ((name, tensor, self.expected[name]) for name, tensor in self.weights.items())
        return [
            f"{name} is {tuple(found.shape)}, expected {tuple(wanted.shape)}"
            if found.shape != wanted.shape
            else f"{name} is {found.dtype}, expected {wanted.dtype}"
            for name, found, wanted in pairs
            if found.shape != wanted.shape or found.is_floating_point() != wanted.is_floating_point()
        ]

    @cached_property
    def section(self) -> str:
        """Address of the dict in the checkpoint that holds the weights."""
        return max((of for of in self.checkpoint.sections if self.prefix.startswith(of)), key=len, default="")

    @cached_property
    def left_out(self) -> list[str]:
        """Addresses of tensors of the same section that are not weights of the network."""
        used = set(map(self._address, self.expected))
        return [of for of in self.checkpoint.tensors if of.startswith(self.section) and of not in used]

    @cached_property
    def unknown(self) -> list[str]:
        """Those of `left_out` in modules that the network has, and which it therefore has otherwise than the file."""
        shared = _shared(self.expected)
        place = self.prefix + shared.removeprefix(self.absent)
        modules = {_family(name.removeprefix(shared)) for name in self.expected} | {"weight", "bias"}
        return [
            address
            for address in self.left_out
            if address.startswith(place)
            and _family(address.removeprefix(place)) in modules
            and address.rpartition(".")[2] not in DERIVED
            and self.checkpoint.tensors[address].dtype not in (torch.int64, torch.bool)
        ]

    @property
    def fits(self) -> bool:
        """Whether the network can take these weights."""
        return not (self.missing or self.unlike or self.unknown)

    def differences(self) -> str:
        """What does not fit, with counts and names."""
        unexpected = self.left_out if self.missing else self.unknown
        kinds = {"missing": self.missing, "unexpected": unexpected, "of another shape or type": self.unlike}
        text = "; ".join(f"{len(names)} {kind}: {listed(sorted(names))}" for kind, names in kinds.items() if names)
        if self.missing and self.prefix:
            text += f". {self.prefix!r} stands before {len(self.weights)} of these {len(self.expected)} names only"
        return text

    def _address(self, name: str) -> str:
        return self.prefix + name.removeprefix(self.absent)


def match_weights(checkpoint: Checkpoint, expected: Mapping[str, Tensor]) -> tuple[Match, list[Match]]:
    """Find the weights of a network.

    Args:
        checkpoint: see `foreign_checkpoints.read_checkpoint`.
        expected: the state dict of the network.

    Returns:
        The reading that fits, and others that fit too, with other values: averages of the weights.

    Raises:
        MismatchError: no reading fits, or several do and neither is an average.
    """
    checkpoint = _without_inserted(checkpoint, expected)
    shared = _shared(expected)
    cuts = [shared[:end] for end in (0, *(found.end() for found in re.finditer(r"\.", shared)))]
    readings = [
        Match(checkpoint, expected, prefix, absent)
        for absent in cuts
        for prefix in _prefixes(checkpoint, expected, absent)
    ]
    fitting = [reading for reading in readings if reading.fits]
    if not fitting:
        closest = min(readings, key=lambda reading: (len(reading.missing), len(reading.unlike), len(reading.prefix)))
        raise MismatchError(closest.differences())
    best, *others = sorted(fitting, key=_rank)
    others = [other for other in others if not _equal(best, other)]
    alike = [other for other in others if _rank(other) == _rank(best)]
    if alike:
        names = listed(repr(reading.prefix) for reading in (best, *alike))
        raise MismatchError(f"the names below {names} fit alike, and the values differ")
    return best, others


def log_unused(file: str, match: Match, others: Iterable[Match]) -> None:
    """Log what `file` holds beside the weights that `match_weights` chose."""
    averages = tuple(other.prefix for other in others)
    if averages:
        used = [match.prefix] if match.prefix else sorted({name.partition(".")[0] for name in match.weights})
        logger.warning(
            "%s has weights below %r, which are used, and other values below %s; to use those, ignore_weights: [%s]",
            file,
            match.prefix,
            listed(map(repr, averages)),
            ", ".join(f"'{of.rstrip('.')}.*'" for of in used),
        )
    unused = [of.removeprefix(match.section) for of in match.left_out if not of.startswith(averages)]
    if unused:
        logger.warning("%s: %d tensors have no place in the network: %s", file, len(unused), listed(unused))


def listed(names: Iterable[str]) -> str:
    """The first `MAX_LISTED` names, and the number of the others."""
    names = list(names)
    more = len(names) - MAX_LISTED
    return ", ".join(names[:MAX_LISTED]) + (f" and {more} more" if more > 0 else "")


def _prefixes(checkpoint: Checkpoint, expected: Mapping[str, Tensor], absent: str) -> list[str]:
    """What stands before names of the network: wherever all of them stand, or else most of them."""
    wanted = {name.removeprefix(absent) for name in expected if not name.endswith(COUNTER)}
    counts = Counter(
        address[:start]
        for address in checkpoint.tensors
        for start in (0, *(found.end() for found in re.finditer(r"\.", address)))
        if address[start:] in wanted
    )
    most = max(counts.values(), default=0)
    return [prefix for prefix, count in counts.items() if count == most] or [""]


def _without_inserted(checkpoint: Checkpoint, expected: Mapping[str, Tensor]) -> Checkpoint:
    if any(INSERTED.search(name) for name in expected):
        return checkpoint
    plain = {INSERTED.sub("", address): tensor for address, tensor in checkpoint.tensors.items()}
    return Checkpoint(plain, checkpoint.sections) if len(plain) == len(checkpoint.tensors) else checkpoint


def _shared(names: Iterable[str]) -> str:
    """Modules that all these names begin with, with a dot at the end: `model.net.`, or nothing."""
    first, last = min(names), max(names)
    same = next((at for at, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1]), len(first))
    return first[: first.rfind(".", 0, same) + 1]


def _family(name: str) -> str:
    """The module of a name; numbered modules are one family: `layer4` and `layer5`."""
    return re.sub(r"\d+$", "#", name.partition(".")[0])


def _rank(match: Match) -> tuple[bool, bool]:
    """Sorts readings: weights before their averages, whole state dicts before parts of them."""
    return bool(AVERAGED.search(match.prefix)), match.prefix not in match.checkpoint.sections


def _equal(one: Match, other: Match) -> bool:
    return all(
        torch.equal(tensor, other.weights[name]) for name, tensor in one.weights.items() if name in other.weights
    )
