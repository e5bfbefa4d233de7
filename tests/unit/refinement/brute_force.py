"""Numbers of the paper's method by plain loops and float64, independent of the product: NumPy and SciPy only.

`python tests/unit/refinement/brute_force.py` made the test data in `brute_force.npz`. `write_folder` lays them out like
the folder of reference numbers, so that the same tests read both.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from safetensors.numpy import save_file
from scipy.ndimage import binary_dilation, correlate, gaussian_filter

FILE = Path(__file__).with_suffix(".npz")
Array = NDArray[np.float64]
Weights = dict[str, NDArray[np.float32]]

#: Side of the maps for pseudo-labels, an eighth of the reference's, and patch sizes, an eighth of the reference's.
SIDE, PATCHES, LEVELS = 64, (64, 32, 8, 2), 20
#: Channels of the first stage, and maps of the networks.
WIDTH, MAP_SHAPE, GRID = 4, (64, 128), 8
#: Gain and bias of the last convolution, so that few outputs are close to 0 or 1, where mistakes would not show.
HEADS = {(False, "global"): (1.9, 0.43), (True, "global"): (1.4, -3.6), (True, "local"): (2.7, 1.0)}


# ---- pseudo-labels (paper section 3.1) ----


def best_threshold(p: Array, truth: NDArray[np.bool_]) -> tuple[float, NDArray[np.bool_]]:
    """The lowest of the thresholds 1/20 .. 20/20 with the best IoU, smoothed by 1; scores are compared as fractions."""
    best, found = (-1, 1), (0.0, truth)
    for level in range(1, LEVELS + 1):
        threshold = np.float32(level / LEVELS)
        label = p.astype(np.float32) > threshold
        score = (int((label & truth).sum()) + 1, int((label | truth).sum()) + 1)
        if score[0] * best[1] > best[0] * score[1]:
            best, found = score, (float(threshold), label)
    return found


def pseudo_labels(maps: Array, masks: NDArray[np.uint8], patch: int) -> tuple[NDArray, NDArray, NDArray]:
    """Labels uint8 (N,H,W), thresholds float32 (N, patches) row by row, IoU of the merged labels (N,)."""
    labels, thresholds, ious = np.zeros_like(masks), [], []
    for image, mask in enumerate(masks):
        for row in range(0, mask.shape[0], patch):
            for column in range(0, mask.shape[1], patch):
                window = (slice(row, row + patch), slice(column, column + patch))
                threshold, label = best_threshold(maps[image][window], mask[window] == 1)
                labels[image][window] = label
                thresholds.append(threshold)
        ious.append(((labels[image] & mask).sum() + 1) / ((labels[image] | mask).sum() + 1))
    return labels, np.array(thresholds, np.float32).reshape(len(masks), -1), np.array(ious)


# ---- losses (paper section 3.3) ----


def log(value: float, lowest: float) -> float:
    return max(math.log(value), lowest) if value > 0 else lowest


def cross_entropy(prediction: float, target: float, lowest: float = -100.0, weight: float = 1.0) -> float:
    return -(weight * target * log(prediction, lowest) + (1 - target) * log(1 - prediction, lowest))


def edges(maps: Array) -> Array:
    kernel = -np.ones((3, 3))
    kernel[1, 1] = 8
    return np.stack([np.maximum(np.tanh(correlate(one[0], kernel, mode="constant")), 0)[None] for one in maps])


def focal(entropy: float) -> float:
    return 0.75 * (1 - math.exp(-entropy)) ** 2 * entropy


def losses(m: Array, r: Array, y: Array) -> dict[str, float]:
    """The region and the regularization loss as the paper has them, and with prediction and label exchanged."""

    def mean(first: Array, second: Array, lowest: float = -100.0, weight: float = 1.0, by_focus: bool = False) -> float:
        values = [cross_entropy(a, b, lowest, weight) for a, b in zip(first.flat, second.flat, strict=True)]
        return math.fsum(map(focal, values) if by_focus else values) / len(values)

    def region(first: Array, second: Array) -> float:
        return 0.7 * mean(first, second, by_focus=True) + 0.3 * mean(edges(first), edges(second))

    return {
        "region_loss_pred_vs_pseudo": region(m, r),
        "region_loss_as_released": region(r, m),
        "regularization_loss_pred_vs_mask": mean(m, y, math.log(1e-15), 1.12),
        "regularization_loss_as_released": mean(y, m, math.log(1e-15), 1.12),
    }


# ---- the network (paper section 3.2) and the fusion (3.4) ----


def weights(local: bool) -> Weights:
    """Random weights under released names. RandomState draws the same numbers in every version of NumPy."""
    random = np.random.RandomState(64 if local else 0)
    made: Weights = {}

    def convolution(name: str, out: int, into: int, kernel: int, bias: bool = True, gain: float = 0.85) -> None:
        made[f"{name}.weight"] = random.normal(0, gain * (into * kernel**2) ** -0.5, (out, into, kernel, kernel))
        if bias:
            made[f"{name}.bias"] = random.normal(0, 0.2 * gain, out)

    def norm(name: str, channels: int) -> None:
        made[f"{name}.weight"], made[f"{name}.bias"] = (
            random.uniform(0.8, 1.6, channels),
            random.normal(0, 0.3, channels),
        )
        made[f"{name}.running_mean"] = random.normal(0, 0.3, channels)
        made[f"{name}.running_var"] = random.uniform(0.3, 1.2, channels)

    def block(name: str, out: int, into: int) -> None:
        convolution(f"{name}.Conv_1x1", out, into, 1)
        for unit in range(2):
            convolution(f"{name}.RCNN.{unit}.conv.0", out, out, 3)
            norm(f"{name}.RCNN.{unit}.conv.1", out)

    widths = [WIDTH * 2**stage for stage in range(4)]
    for stage, (into, out) in enumerate(zip([1, *widths], widths, strict=False), start=1):
        block(f"encoding.RRCNN{stage}", out, into)
    for bin_ in range(4):
        convolution(f"encoding.psp.stages.{bin_}.1", widths[3], widths[3], 1, bias=False)
    convolution("encoding.psp.bottleneck", widths[3], 5 * widths[3], 1)
    for branch in ("global", "local")[: 1 + local]:
        for step in (3, 2, 1):
            name, into, out = f"decode{step}_{branch}", widths[step], widths[step - 1]
            convolution(f"{name}.Up.up.1", out, into, 3)
            norm(f"{name}.Up.up.2", out)
            for part, channels, before in (("W_g", out // 2, out), ("W_x", out // 2, out), ("psi", 1, out // 2)):
                convolution(f"{name}.Attn.{part}.0", channels, before, 1)
                norm(f"{name}.Attn.{part}.1", channels)
            block(f"{name}.Up_Conv", out, 2 * out)
        gain, bias = HEADS[local, branch]
        convolution(f"out_{branch}.0", 1, WIDTH, 3 if local else 1, gain=gain)
        made[f"out_{branch}.0.bias"] = np.array([bias])
    return {name: value.astype(np.float32) for name, value in made.items()}


class Network:
    """The network on one map, layer by layer; every array is (channels, height, width)."""

    def __init__(self, of: Weights) -> None:
        self.weights = {name: value.astype(np.float64) for name, value in of.items()}

    def convolution(self, name: str, x: Array) -> Array:
        weight = self.weights[f"{name}.weight"]
        pad = weight.shape[-1] // 2
        windows = sliding_window_view(np.pad(x, ((0, 0), (pad, pad), (pad, pad))), weight.shape[2:], axis=(1, 2))
        bias = self.weights.get(f"{name}.bias", np.zeros(len(weight)))
        return np.einsum("ocij,chwij->ohw", weight, windows) + bias[:, None, None]

    def norm(self, name: str, x: Array) -> Array:
        mean, variance, scale, shift = (
            self.weights[f"{name}.{part}"][:, None, None] for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / np.sqrt(variance + 1e-5) * scale + shift

    def unit(self, name: str, x: Array) -> Array:
        y = np.zeros_like(x)
        for _ in range(3):
            y = relu(self.norm(f"{name}.conv.1", self.convolution(f"{name}.conv.0", x + y)))
        return y

    def block(self, name: str, x: Array) -> Array:
        projected = self.convolution(f"{name}.Conv_1x1", x)
        return projected + self.unit(f"{name}.RCNN.1", self.unit(f"{name}.RCNN.0", projected))

    def pyramid(self, x: Array) -> Array:
        pooled = []
        for number, bins in enumerate((1, 2, 4, 8)):
            small = self.convolution(f"encoding.psp.stages.{number}.1", averages(x, bins))
            pooled.append(bilinear(small, x.shape[1:]))
        return relu(self.convolution("encoding.psp.bottleneck", np.concatenate([*pooled, x])))

    def features(self, x: Array) -> list[Array]:
        found = []
        for stage in range(1, 5):
            x = self.block(f"encoding.RRCNN{stage}", x if stage == 1 else largest(x))
            found.append(x)
        return [*found[:3], self.pyramid(found[3])]

    def step(self, name: str, x: Array, skip: Array) -> Array:
        doubled = x.repeat(2, 1).repeat(2, 2)
        decoded = relu(self.norm(f"{name}.Up.up.2", self.convolution(f"{name}.Up.up.1", doubled)))
        gates = [
            self.norm(f"{name}.Attn.{part}.1", self.convolution(f"{name}.Attn.{part}.0", value))
            for part, value in (("W_g", decoded), ("W_x", skip))
        ]
        score = self.norm(f"{name}.Attn.psi.1", self.convolution(f"{name}.Attn.psi.0", relu(gates[0] + gates[1])))
        return self.block(f"{name}.Up_Conv", np.concatenate([skip * sigmoid(score), decoded]))

    def branch(self, name: str, features: list[Array]) -> Array:
        x = features[3]
        for step in (3, 2, 1):
            x = self.step(f"decode{step}_{name}", x, features[step - 1])
        return sigmoid(self.convolution(f"out_{name}.0", x))[0]

    def local(self, features: list[Array]) -> Array:
        """Every grid cell on its own. The released P64 gives the cells of row 6 the half-resolution skip of row 2."""
        rows = []
        for row in range(GRID):
            taken = [row, 2 if row == 6 else row, row, row]
            cells = [
                [cell(feature, of_row, column) for feature, of_row in zip(features, taken, strict=True)]
                for column in range(GRID)
            ]
            rows.append(np.concatenate([self.branch("local", of_cell) for of_cell in cells], axis=1))
        return np.concatenate(rows)


def relu(x: Array) -> Array:
    return np.maximum(x, 0)


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def largest(x: Array) -> Array:
    """The largest of each block of 2 x 2 pixels."""
    return x.reshape(len(x), x.shape[1] // 2, 2, x.shape[2] // 2, 2).max((2, 4))


def averages(x: Array, bins: int) -> Array:
    """Means over bins x bins regions, whose number divides height and width."""
    return x.reshape(len(x), bins, x.shape[1] // bins, bins, x.shape[2] // bins).mean((2, 4))


def bilinear(x: Array, shape: tuple[int, ...]) -> Array:
    """Between the centres of pixels; beyond the outermost centres values are repeated."""

    def matrix(before: int, after: int) -> Array:
        made = np.zeros((after, before))
        for place in range(after):
            centre = min(max((place + 0.5) * before / after - 0.5, 0), before - 1)
            low = min(int(centre), before - 1)
            made[place, low] += 1 - (centre - low)
            made[place, min(low + 1, before - 1)] += centre - low
        return made

    return matrix(x.shape[1], shape[0]) @ x @ matrix(x.shape[2], shape[1]).T


def cell(feature: Array, row: int, column: int) -> Array:
    height, width = (side // GRID for side in feature.shape[1:])
    return feature[:, row * height : (row + 1) * height, column * width : (column + 1) * width]


def fused(global_map: Array, local_map: Array) -> NDArray[np.uint8]:
    over = global_map > 0.5
    return (over | binary_dilation((local_map > 0.5) & over, np.ones((3, 3), bool))).astype(np.uint8)


# ---- files ----


def numbers() -> dict[str, dict[str, NDArray]]:
    """All numbers: file name without .npz -> name -> array, as in the folder of reference numbers."""
    random = np.random.RandomState(0)
    truth = gaussian_filter(random.normal(size=(2, SIDE, SIDE)), (0, 3, 3)) > 0.02
    place = np.linspace(-1.5, 1.5, SIDE)[None, :, None]
    noisy = sigmoid(2.5 * truth - 1.2 + place + gaussian_filter(random.normal(0, 2, truth.shape), (0, 1, 1)))
    probabilities, masks = noisy.astype(np.float16), truth.astype(np.uint8)
    labels = {"probabilities": probabilities, "masks": masks}
    for patch in PATCHES:
        found = pseudo_labels(probabilities, masks, patch)
        labels |= {f"{name}_{patch}": of for name, of in zip(("labels", "thresholds", "iou"), found, strict=True)}
    m = random.uniform(0.01, 0.99, (2, 1, 16, 16)).astype(np.float32)
    r, y = (random.randint(0, 2, m.shape).astype(np.float32) for _ in range(2))
    found_losses = losses(m.astype(np.float64), r.astype(np.float64), y.astype(np.float64))
    made = {
        "pseudo_labels": labels,
        "losses": {"probabilities": m, "pseudo_labels": r, "masks": y}
        | {name: np.array(value) for name, value in found_losses.items()},
    }
    for name, local in (("p0", False), ("p64", True)):
        smooth = gaussian_filter(random.normal(0, 6, MAP_SHAPE), 2)
        given = sigmoid(smooth).astype(np.float16)
        network = Network(weights(local))
        features = network.features(given.astype(np.float64)[None])
        of = {"probabilities": given[None, None], "global": network.branch("global", features)[None, None]}
        if local:
            of["local"] = network.local(features)[None, None]
            of["fused_mask"] = fused(of["global"][0, 0], of["local"][0, 0])
        made[name] = {
            key: value.astype(np.float32) if value.dtype == np.float64 else value for key, value in of.items()
        }
    return made


def write_folder(folder: Path) -> None:
    """Lay out the committed numbers and the networks' weights like the folder of reference numbers."""
    with np.load(FILE) as stored:
        for name in {key.partition(".")[0] for key in stored}:
            own = {key.partition(".")[2]: stored[key] for key in stored if key.startswith(f"{name}.")}
            np.savez(folder / f"{name}.npz", **own)
    for name, local in (("p0", False), ("p64", True)):
        counters = {key.replace("running_mean", "num_batches_tracked"): np.array(0) for key in weights(local)}
        counters = {key: value for key, value in counters.items() if key.endswith("num_batches_tracked")}
        save_file(weights(local) | counters, folder / f"{name}.safetensors")


if __name__ == "__main__":
    np.savez_compressed(
        FILE, **{f"{name}.{key}": of for name, arrays in numbers().items() for key, of in arrays.items()}
    )
