"""`python -m docs.figures`: draw the figures of docs/images again."""

from pathlib import Path

from docs.figures.guard import guard_figure
from docs.figures.patches import patch_figure, threshold_figure
from docs.figures.terminal import RECORDED, terminal_svg

IMAGES = Path(__file__).resolve().parents[1] / "images"
FIGURES = {"patches.png": patch_figure, "thresholds.png": threshold_figure, "guard.png": guard_figure}


if __name__ == "__main__":
    for name, draw in FIGURES.items():
        draw().savefig(IMAGES / name, metadata={"Software": None})
        print(IMAGES / name)
    for name in RECORDED:
        (IMAGES / f"{name}.svg").write_text(terminal_svg(name), encoding="utf-8")
        print(IMAGES / f"{name}.svg")
