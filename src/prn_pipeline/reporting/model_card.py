"""The model card of a predictor: what it is, what it was measured on, and what it is not for, as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from prn_pipeline.comparison.scores_file import BEST_FREE
from prn_pipeline.data.canvas import canvas_of
from prn_pipeline.reporting.dataset.facts import fact_rows
from prn_pipeline.reporting.headline import headline
from prn_pipeline.reporting.labels import BASE, REFINER, method_label, refiner_label
from prn_pipeline.reporting.wording import bracket, fixed, interval, whole

#: What YAML and tables of Markdown would take for their own.
_OF_MARKDOWN = str.maketrans({"|": "\\|", "\n": " ", "<": "&lt;"})
COLUMNS = {"IoU": "iou_micro", "Dice": "dice", "boundary IoU": "boundary_iou"}


def model_card(run: Mapping[str, Any], scores: Mapping[str, Any], summary: Mapping[str, Any]) -> str:
    """The card, in the form that model hubs read: metadata as YAML, then sections.

    Args:
        run: parameter `run`: names (dataset, base_model, refiner, seed) and the settings of each.
        scores: the scores JSON of the run.
        summary: of the data set; see `data.summary.summarise`.

    Returns:
        str: the same for the same inputs.
    """
    names = run["names"]
    found = headline(names, scores)
    title = f"{refiner_label(names)} on {names['dataset']}"
    finding = [f"{found.sentence}.", found.over_base, found.verdict, *found.caveats]
    sections = [
        _metadata(),
        f"# {_plain(title)}\n\n{_plain(' '.join(text for text in finding if text))}",
        f"## What it is\n\n{_list(_parts(run))}",
        f"## Intended use\n\n{_plain(intended_use(names, summary))}",
        f"## Limits\n\n{_list(limits(run, scores))}",
        f"## Scores\n\n{_scores(names, scores)}",
        f"## Data\n\n{_list(f'{label}: {text}' for label, text in fact_rows(summary))}",
    ]
    return "\n\n".join(sections) + "\n"


def _metadata() -> str:
    return "---\nlibrary_name: prn_pipeline\npipeline_tag: image-segmentation\ntags: [segmentation, refinement]\n---"


def _parts(run: Mapping[str, Any]) -> Iterator[str]:
    names = run["names"]
    yield f"base model {names['base_model']}, refiner {names['refiner']}, seed {names['seed']}"
    if classes := run["dataset"].get("classes"):
        yield f"one mask of {len(classes)} classes per image: {', '.join(classes)}"
    else:
        yield "one mask of foreground per image"
    canvas = canvas_of(run["dataset"]["image_size"])
    if canvas.letterboxed:
        sides = f"{canvas.height} x {canvas.width} pixels (height x width)"
        yield f"images keep their aspect and are padded to {sides}, and masks have the image's own size"
    else:
        yield f"images are stretched to {canvas.height} pixels a side, and masks back to the image's own size"


def intended_use(names: Mapping[str, Any], summary: Mapping[str, Any]) -> str:
    """Images that a predictor is for, in a sentence.

    Args:
        names: of the run; dataset is used.
        summary: of the data set; see `data.summary.summarise`.
    """
    splits = summary["splits"]
    counts = ", ".join(f"{one['images']:,} {split}" for split, one in splits.items())
    return (
        f"Images of the same kind as the data set {names['dataset']} ({counts}): the same camera or scanner,"
        " scale and kind of scene, and foreground as its masks define it."
    )


def limits(run: Mapping[str, Any], scores: Mapping[str, Any]) -> Iterator[str]:
    """What the scores do not say, and what a predictor is not for, in sentences.

    Args:
        run: settings of the run; `dataset` is used, and may be missing.
        scores: the scores JSON of the run.
    """
    gains = scores.get("gain", {})
    yield (
        f"Measured on {whole(scores.get('n_test'))} test images of this data set alone. On other images neither the"
        " scores nor the gain hold; `prn refine` warns when images differ from those of training."
    )
    yield f"{fixed(gains.get('images_worse_pct'), 1)} % of the test images have a worse mask than without the refiner."
    if run.get("dataset", {}).get("task") == "few_shot":
        yield "Measured over episodes: another choice of labelled examples gives other masks."
    yield "Not for decisions about health or safety without a person who looks at the masks."


def _scores(names: Mapping[str, Any], scores: Mapping[str, Any]) -> str:
    methods = scores.get("methods", {})
    best = (scores.get("gain", {}).get(BEST_FREE) or {}).get("method", BASE)
    rows = [["method", *COLUMNS, "95 % interval of the IoU"], ["---"] * (len(COLUMNS) + 2)]
    for name in dict.fromkeys((BASE, best, REFINER)):
        values = methods.get(name, {})
        ends = bracket(interval(values.get("iou_micro_ci95")))
        label = method_label(name, names) + (" (best free method)" if name == best else "")
        rows.append([label, *(fixed(values.get(key)) for key in COLUMNS.values()), ends])
    return "\n".join(f"| {' | '.join(_plain(cell) for cell in row)} |" for row in rows)


def _list(lines: Iterator[str]) -> str:
    return "\n".join(f"- {_plain(line)}" for line in lines)


def _plain(text: str) -> str:
    return text.translate(_OF_MARKDOWN)
