"""The files that the ratios of a section of `make bench` depend on."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import grimp

from benchmarks.history import CODE, PROJECT

#: Sections that measure commands, which reach all code.
OF_COMMANDS = ("start_up",)
#: Modules that name things in messages and tables, and whose changes no ratio shows.
WORDS = ("prn_pipeline.errors", "prn_pipeline.tracking.provenance", "benchmarks.report")
#: What every section depends on beside the modules that it imports.
ALWAYS = ("benchmarks/__main__.py", "benchmarks/history.py", "pyproject.toml", "requirements.lock")


@cache
def code_of(section: str) -> tuple[str, ...]:
    """Files relative to the project, as git names them: the section, and what it imports, directly or not.

    Args:
        section: name of a module of `benchmarks`; for others, and for sections that measure commands, it is all code.
    """
    module = f"benchmarks.{section}"
    if section in OF_COMMANDS or not (PROJECT / "benchmarks" / f"{section}.py").is_file():
        return CODE
    # with imports for types: a package that imports its names on first use shows them there alone
    graph = grimp.build_graph("benchmarks", "prn_pipeline", cache_dir=None)
    reached = {module} | graph.find_upstream_modules(module)
    return (*map(_file, sorted(reached.difference(WORDS))), *ALWAYS)


def _file(module: str) -> str:
    place = Path("benchmarks" if module.startswith("benchmarks") else "src/prn_pipeline")
    below = place.joinpath(*module.split(".")[1:])
    return str(below / "__init__.py" if (PROJECT / below).is_dir() else below.with_suffix(".py"))
