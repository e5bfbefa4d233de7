"""The page as a browser would take it: whole, self-contained, escaped, and true to its inputs."""

import io
import re
from collections.abc import Callable
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from prn_pipeline.errors import UserError
from prn_pipeline.metrics.map_statistics import MapStatisticsCounter
from prn_pipeline.reporting.inputs import Report, ReportInputs
from prn_pipeline.reporting.key_numbers import key_numbers
from prn_pipeline.reporting.report import render_report

VOID = {"meta", "img", "source", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Every element with its attributes and text; complains when tags do not nest."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"] and data.strip():
            self.texts.append(data.strip())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def page(full_report: Report) -> Page:
    return Page(full_report.html)


def test_page_starts_as_html5_and_its_tags_nest(full_report: Report, page: Page) -> None:
    assert full_report.html.lstrip().lower().startswith("<!doctype html>")
    assert len(page.all("h1")) == 1


def test_nothing_is_fetched_from_outside_and_nothing_runs(full_report: Report, page: Page) -> None:
    assert not re.search(r"https?://|@import|url\(", full_report.html)
    assert page.all("script") == []
    assert page.all("link") == []
    sources = [element["src"] for element in page.all("img")] + [element["srcset"] for element in page.all("source")]
    assert len(sources) > 20
    assert all(source and re.match(r"data:image/(png|jpeg);base64,", source) for source in sources)


def test_links_lead_to_sections_that_exist(page: Page) -> None:
    places = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    links = [link["href"] or "" for link in page.all("a")]
    assert links.count("../../../samples.png") == 1, "the sheet of samples, in the data set's folder"
    links.remove("../../../samples.png")
    assert {link.removeprefix("#") for link in links} <= places


def test_images_to_browse_say_how_many_of_all_they_are(changed: Callable[..., ReportInputs], page: Page) -> None:
    assert "2 of the 40 test images by gain, evenly spread" in page.texts
    few = changed(per_image=pd.DataFrame({"sample_id": range(2), "iou_base": [0.5, 0.5], "iou_refined": [0.8, 0.4]}))
    texts = Page(render_report(few).html).texts
    assert "All 2 test images by gain" in texts
    assert texts.index("0.500 → 0.800, +30.0") < texts.index("0.500 → 0.400, −10.0")


def test_the_first_screen_says_when_and_where_and_what_next(page: Page) -> None:
    assert any(text.startswith("Made 2026-01-02 03:04 UTC on a machine") for text in page.texts)
    place = page.texts.index("Package the predictor and register it:")
    assert page.texts[place + 1].startswith("kedro run --pipelines promotion --params dataset=")


def test_the_page_says_what_the_result_is_not_for(page: Page) -> None:
    assert "Use and limits" in page.texts
    assert any(text.startswith("Not for decisions about health or safety") for text in page.texts)


def test_every_picture_has_words_of_its_own(page: Page) -> None:
    alts = [picture["alt"] for picture in page.all("img")]
    assert all(alts)
    assert len(set(alts)) == len(alts)


def test_markup_in_names_is_shown_not_obeyed(full_report: Report, page: Page, nasty_id: str) -> None:
    assert "<b>&" not in full_report.html
    assert nasty_id in page.texts
    assert sum(nasty_id in text for text in page.texts) >= 3  # gallery, parameters, provenance
    assert any(nasty_id in (picture["alt"] or "") for picture in page.all("img"))


def test_gallery_runs_from_best_to_worst_whatever_the_order_given(page: Page, nasty_id: str) -> None:
    gallery = page.texts[len(page.texts) - page.texts[::-1].index("Pictures") :]
    shown = [text for text in gallery if text in (nasty_id, "kind-b", "kind-c")]
    assert [text for i, text in enumerate(shown) if text not in shown[:i]] == [nasty_id, "kind-b", "kind-c"]
    assert "IoU 0.500 → 0.624, +12.4 points" in page.texts


def test_dark_figures_come_with_the_light_ones(page: Page) -> None:
    assert len(page.all("source")) == 9
    assert all("prefers-color-scheme: dark" in (source["media"] or "") for source in page.all("source"))


def test_figures_are_png_under_names_fit_for_files(full_report: Report) -> None:
    assert set(full_report.figures) == {
        "gains",
        "training-base_training",
        "training-prn_training",
        "thresholds",
        "patch-bias",
        "reliability",
        "error-places",
        "images-before-after",
        "images-gain",
        "gallery-01-best",
        "gallery-02-median",
        "gallery-03-worst",
    }
    for name, content in full_report.figures.items():
        with Image.open(io.BytesIO(content)) as picture:
            picture.load()
            assert picture.format == "PNG", name
            assert len(np.unique(np.asarray(picture.convert("RGB")))) > 4, f"{name} is blank"


def test_same_inputs_give_the_same_report(full_inputs: ReportInputs, full_report: Report) -> None:
    assert render_report(full_inputs) == full_report


def test_empty_pieces_are_said_to_be_missing() -> None:
    report = render_report(ReportInputs({"dataset": "d", "base_model": "m", "refiner": "prn", "seed": 0}, {}))
    page = Page(report.html)
    assert report.figures == {}
    assert page.all("img") == []
    missing = [element for element in page.all("p") if element.get("class") == "missing"]
    assert len(missing) == 10


def test_missing_numbers_leave_dashes_not_errors(changed: Callable[..., ReportInputs]) -> None:
    nothing = {"iou_micro": None, "dice": float("nan")}
    scores = {
        "methods": {"base": nothing, "refined": nothing},
        "gain": {"vs_base": {"iou_micro": None, "ci95": None, "p": None}, "images_worse_pct": None},
        "seconds": {"evaluation": None},
    }
    history = {
        "base_training": pd.DataFrame({"epoch": [0, 1], "train_loss": [np.nan, np.nan]}),
        "prn_training": pd.DataFrame(),
    }
    report = render_report(
        changed(
            scores=scores,
            history=history,
            thresholds=np.full((2, 2, 2), np.nan, np.float32),
            maps={"base": MapStatisticsCounter(2).result()},
            per_image=pd.DataFrame({"sample_id": ["a"], "iou_base": [np.nan], "iou_refined": [1.0]}),
            gallery=[],
        )
    )
    assert set(report.figures) == {"training-base_training"}
    assert "No claim" in report.html
    assert not re.search(r"\bnan\b|>None<", report.html)


def test_run_without_its_names_is_refused() -> None:
    with pytest.raises(UserError, match=r"add base_model, refiner, seed"):
        ReportInputs({"dataset": "d"}, {})


def test_page_of_pure_noise_stays_below_six_megabytes(
    changed: Callable[..., ReportInputs], make_row: Callable[..., object]
) -> None:
    rows = [make_row("best", str(i), size=320, seed=i) for i in range(9)]
    report = render_report(
        changed(gallery=rows, history={}, per_image=pd.DataFrame(), thresholds=np.empty((0, 1, 1)), scores={})
    )
    assert 2e6 < len(report.html.encode()) < 6e6


@pytest.mark.parametrize(
    ("guard", "shown"),
    [
        ({"shift": 0.25}, "shift 0.25"),
        ({"start": 1.0, "strength": 0.75}, "75 %"),
        ({"start": 1.0, "strength": 0.75, "shift": -0.5}, "75 %, p > 0.62"),
        ({"start": 0.0, "strength": 0.0}, "none"),
        ({"start": 0.0, "strength": 0.0, "shift": 0.25, "rankseg": 0.0}, "none, p > 0.44"),
        ({"start": 0.0, "strength": 0.0, "rankseg": 1.0}, "none, RankSEG"),
        ({"start": 1.0, "strength": 0.0}, "none, TTA"),
        ({"start": 1.0, "strength": 0.0, "shift": 0.25}, "none, TTA, p > 0.44"),
        (None, ""),
    ],
)
def test_the_page_says_how_much_of_the_correction_is_used(guard: dict[str, float] | None, shown: str) -> None:
    inputs = ReportInputs(
        run=dict.fromkeys(("dataset", "base_model", "refiner", "seed"), "x"), scores={"guard": guard} if guard else {}
    )
    assert key_numbers(inputs.scores).get("correction strength, selected on held-out maps", "") == shown
