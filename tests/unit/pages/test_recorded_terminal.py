"""The recorded terminal of the first run: what stays on the screen, and its drawing."""

import re

import pytest

from docs.figures.terminal import IMAGES, RECORDED, shown_lines, terminal_svg

BAR = "\x1b[2K1/7 ingestion ━━━━ 0:00:01\r"


def test_bars_that_were_drawn_over_are_left_out() -> None:
    record = (
        f"Script started on x\r\n{BAR}{BAR}\x1b[2Kstage 1\r\n{BAR}\r\n\x1b[32mdone\x1b[0m\x1b[?25h\r\nScript done\r\n"
    )
    assert [line for line in shown_lines(record) if line] == ["stage 1", "\x1b[32mdone\x1b[0m"]


def test_few_of_the_epochs_are_kept() -> None:
    record = "a\n" + "".join(f"base  epoch {number}/9  loss\n" for number in range(1, 10)) + "b"
    assert [line.split("/")[0].strip() for line in shown_lines(record)] == [
        *("a", "base  epoch 1", "base  epoch 2", "..."),
        *("base  epoch 8", "base  epoch 9", "b"),
    ]
    assert len(shown_lines("epoch 1\nepoch 2\nepoch 3\nepoch 4")) == 4


def test_the_project_has_no_folder_of_the_machine() -> None:
    assert shown_lines("Report: /home/me/p/data/08_reporting/r.html") == [
        "Report: ~/prn_pipeline/data/08_reporting/r.html"
    ]


@pytest.mark.parametrize("name", RECORDED)
def test_the_drawing_is_that_of_the_record_and_loads_nothing(name: str) -> None:
    recorded, drawn = ((IMAGES / f"{name}{suffix}").read_text() for suffix in (".txt", ".svg"))
    assert recorded.startswith("$ ")
    assert not re.search(r"/(tmp|home|root|work)/", recorded)
    assert drawn == terminal_svg(name)
    assert "url(http" not in drawn


def test_the_first_run_shows_its_stages() -> None:
    drawn = (IMAGES / "first_run.svg").read_text()
    assert len(re.findall(r"stage&#160;\d&#160;of&#160;7", drawn)) == 7
