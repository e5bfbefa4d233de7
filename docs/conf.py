"""Sphinx's settings: `make docs` builds build/docs, without network."""

import importlib.metadata
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
PROJECT = FOLDER.parent
GENERATED = FOLDER / "_generated"
sys.path[:0] = [str(PROJECT / "src"), str(PROJECT)]

from nbclient import NotebookClient  # noqa: E402
from pygments.lexers.shell import BashLexer  # noqa: E402

from docs.generators.docstrings import is_bare_field, markdown_to_rst  # noqa: E402
from docs.generators.pages import draw_charts, rewrite_links, write_pages  # noqa: E402

project = "prn_pipeline"
author = "the authors of prn_pipeline"
release = importlib.metadata.version("prn_pipeline")
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_generated", "notebooks/.ipynb_checkpoints"]
language = "en"
nitpicky = True
# Types in signatures name classes of other packages and private ones, which have no page here.
nitpick_ignore_regex = [("py:(class|obj|data|exc|attr)", ".*")]

html_theme = "furo"
html_title = "prn_pipeline"
html_static_path = ["_static"]
html_css_files = ["tables.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_show_sphinx = False
pygments_style = "friendly"
pygments_dark_style = "monokai"

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4
# Notebooks run when they have changed. Not the one that reads the reader's own runs: a test runs both.
nb_execution_mode = "cache"
nb_execution_cache_path = str(PROJECT / "build" / "docs" / "notebooks")
nb_execution_excludepatterns = ["notebooks/read_results.md"]
nb_execution_raise_on_error = True
nb_execution_timeout = 600
# Only errors of kernels: each warns that it is reached over TCP, which stays within this machine. Through files, the
# other way, kernels that run in another folder than the build do not answer.
NotebookClient.extra_arguments.default_args = (["--log-level=40"],)

autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
autodoc_use_type_comments = False
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True


def setup(app: Any) -> None:
    """Write the generated parts first; then prepare each page and docstring as it is read."""
    app.connect("builder-inited", lambda _: write_pages(GENERATED))
    app.connect("source-read", lambda _, page, source: source.__setitem__(0, prepared(page, source[0])))
    app.connect("autodoc-process-docstring", lambda *event: markdown_to_rst(event[-1]), priority=100)  # before napoleon
    app.connect("autodoc-skip-member", lambda *event: is_bare_field(event[3]) or None)
    app.add_lexer("console", BashLexer)  # blocks of commands without a prompt


def prepared(page: str, text: str) -> str:
    """A page with links to files outside of docs/ led to the pages that include them, and with its charts drawn."""
    return draw_charts(page, rewrite_links(page, text), GENERATED)
