"""The site builds without a warning and without network."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.pages.blocks import PROJECT

pytestmark = pytest.mark.long

#: What a browser would load by itself.
LOADED = re.compile(
    r"<(?:script|img|iframe)[^>]* src=\"([^\"]+)\"|<link[^>]* rel=\"stylesheet\"[^>]* href=\"([^\"]+)\""
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built pages; notebooks are not run here."""
    target = tmp_path_factory.mktemp("site")
    options = ["-b", "html", "-W", "--keep-going", "-q", "-D", "nb_execution_mode=off"]
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", *options, "docs", str(target)],
        cwd=PROJECT,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return target


def test_every_page_is_built_and_loads_only_files_of_the_site(site: Path) -> None:
    pages = [page for page in (PROJECT / "docs").rglob("*.md") if "_generated" not in page.parts]
    assert pages
    for page in pages:
        built = site / page.relative_to(PROJECT / "docs").with_suffix(".html")
        loaded = [source or sheet for source, sheet in LOADED.findall(built.read_text())]
        assert loaded, built
        for address in loaded:
            assert "//" not in address, f"{page} loads {address}"
            assert (built.parent / address.split("?")[0]).is_file(), f"{page} loads {address}"


def test_the_styles_load_no_fonts_from_elsewhere(site: Path) -> None:
    styles = list((site / "_static").rglob("*.css"))
    assert styles
    assert not [style for style in styles if re.search(r"(url\(|@import )[\"']?(https?:)?//", style.read_text())]


def test_the_reference_shows_signatures_and_settings(site: Path) -> None:
    assert "patch_pseudo_labels" in (site / "reference/api/refinement.html").read_text()
    assert "early_stop_patience" in (site / "reference/configuration.html").read_text()
