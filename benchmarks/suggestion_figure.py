"""The figure of `benchmarks.suggestion`: gain with suggested and with random images, draw by draw."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from prn_pipeline.reporting.theme import LIGHT, new_figure, quiet


def draw(found: Mapping[str, Mapping[str, Any]]) -> bytes:
    """A PNG.

    Args:
        found: `suggestion.summary` by base model.
    """
    figure = new_figure(3.4 * len(found), 3.6)
    panels = figure.subplots(1, len(found), sharey=True, squeeze=False)[0]
    for axes, (base_model, of_model) in zip(panels, found.items(), strict=True):
        places = {"before": 0, "random": 1, "suggested": 2}
        for one in of_model["draws"]:
            values = [100 * (one[name] - one["base"]) for name in places]
            axes.plot(list(places.values()), values, color=LIGHT.base, linewidth=1, marker="o", markersize=3, alpha=0.6)
        means = [100 * (of_model["means"][name] - of_model["means"]["base"]) for name in places]
        axes.plot(list(places.values()), means, color=LIGHT.refiner, linewidth=2.5, marker="o", markersize=7)
        pair = of_model["points"]["suggested_vs_random"]
        low, high = pair["ci95"]
        axes.set_title(f"{base_model}\nsuggested - random: {pair['mean']:+.1f} [{low:+.1f}, {high:+.1f}]", fontsize=9)
        axes.set_xticks(list(places.values()), ["10 labelled", "+ 10\nrandom", "+ 10\nsuggested"], fontsize=8)
        axes.axhline(0, color=LIGHT.ink, linewidth=1)
        quiet(axes, "y")
    panels[0].set_ylabel("points of IoU micro over the base model,\non held-out learning images")
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=120)
    return file.getvalue()
