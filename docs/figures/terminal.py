"""A recorded terminal as a drawing: what `script` wrote of commands, as the terminal showed it in the end.

To record again: `script -q -c "echo '$ make run'; make run" -O record` in a terminal of 120 columns, then
`python -m docs.figures.terminal first_run record`, and `python -m docs.figures`.
"""

import io
import re
import sys
from pathlib import Path

from rich.console import CONSOLE_SVG_FORMAT, Console
from rich.text import Text

IMAGES = Path(__file__).resolve().parents[1] / "images"
#: What was recorded, with the codes of its colours, in <name>.txt: name -> title of the drawing.
RECORDED = {"first_run": "make run", "own_data": "prn init, prn check"}
WIDTH = 120
#: Of the epochs of a training, the first and the last ones are kept.
FIRST, LAST = 2, 2
_EPOCH = re.compile(r"\bepoch +\d+")
#: What `script` adds, and the last bar.
_LEFT_OUT = re.compile(r"Script |\d/\d .*━")
#: The folder of the project on the machine of the recording.
_FOLDER = re.compile(r"(?:/[\w.-]+)+/data/(?=08_reporting)")
_CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
#: Fonts that a page would load from the network.
_WEB_FONTS = re.compile(r"@font-face \{\{.*?\}\}\s*", re.DOTALL)


def shown_lines(record: str) -> list[str]:
    """The lines that stay on the screen: not the bars that were drawn over, and few of the epochs."""
    written = [re.split(r"\r|\x1b\[2K", line.rstrip("\r"))[-1] for line in record.split("\n")]
    lines = [re.sub(r"\x1b\[\?\d+[hl]|\x1b\[\d*[ABCDJK]", "", line) for line in written]
    lines = [_FOLDER.sub("~/prn_pipeline/data/", line) for line in lines if not _LEFT_OUT.match(_CODES.sub("", line))]
    kept: list[str] = []
    for place, line in enumerate(lines):
        before, after = _epochs(lines[:place][::-1]), _epochs(lines[place:])
        if before < FIRST or after <= LAST:
            kept.append(line)
        elif before == FIRST:
            kept.append("          ...")
    return kept


def _epochs(lines: list[str]) -> int:
    """How many lines of epochs stand at the beginning."""
    return next((place for place, line in enumerate(lines) if not _EPOCH.search(line)), len(lines))


def terminal_svg(name: str) -> str:
    """A recording as SVG, which needs neither a network nor a font of its own."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text.from_ansi((IMAGES / f"{name}.txt").read_text(encoding="utf-8").rstrip()))
    form = _WEB_FONTS.sub("", CONSOLE_SVG_FORMAT)
    svg = console.export_svg(title=RECORDED[name], unique_id=name.replace("_", "-"), code_format=form)
    return svg.replace("Fira Code, monospace", "DejaVu Sans Mono, Menlo, Consolas, monospace")


if __name__ == "__main__":
    name, record = sys.argv[1:]
    lines = shown_lines(Path(record).read_bytes().decode("utf-8", errors="replace"))
    (IMAGES / f"{name}.txt").write_text("\n".join(lines).strip("\n") + "\n", encoding="utf-8")
