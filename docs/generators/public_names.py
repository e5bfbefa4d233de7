"""The library's public names, as directives from which Sphinx reads their docstrings."""

from __future__ import annotations

import inspect
from importlib import import_module
from types import ModuleType

#: Page of the reference -> its title and the modules whose public names it lists.
PAGES: dict[str, tuple[str, list[str]]] = {
    "predictor": (
        "Predictor",
        ["prn_pipeline.serving.predictor", "prn_pipeline.serving.item", "prn_pipeline.serving.predicted"],
    ),
    "refinement": (
        "Refinement",
        ["prn_pipeline.refinement", "prn_pipeline.refinement.protocol", "prn_pipeline.refinement.registry"],
    ),
    "segmentation": ("Segmentation", ["prn_pipeline.segmentation.protocol", "prn_pipeline.segmentation.registry"]),
    "metrics": (
        "Metrics",
        [
            "prn_pipeline.metrics.counts",
            "prn_pipeline.metrics.scores",
            "prn_pipeline.metrics.bootstrap",
            "prn_pipeline.metrics.paired_units",
            "prn_pipeline.metrics.saliency",
            "prn_pipeline.metrics.few_shot",
            "prn_pipeline.metrics.drift",
        ],
    ),
    "comparison": ("Comparison", ["prn_pipeline.comparison.method", "prn_pipeline.comparison.table"]),
    "errors": ("Errors", ["prn_pipeline.errors"]),
}


def names_page(page: str) -> str:
    """Markdown of a page: a section per module, a directive per name."""
    _, modules = PAGES[page]
    return "\n".join(_module(import_module(name)) for name in modules)


def _module(module: ModuleType) -> str:
    summary = (module.__doc__ or "").strip()
    directives = "\n".join(_directive(module, name) for name in public_names(module))
    return f"## `{module.__name__}`\n\n{summary}\n\n```{{eval-rst}}\n{directives}```\n"


def public_names(module: ModuleType) -> list[str]:
    """`__all__`, or the classes and functions that the module defines."""
    if hasattr(module, "__all__"):
        return list(module.__all__)
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(value) or callable(value))
        and getattr(value, "__module__", None) == module.__name__
    ]


def _directive(module: ModuleType, name: str) -> str:
    value = getattr(module, name)
    if inspect.isclass(value):
        return f".. autoclass:: {module.__name__}.{name}\n   :members:\n"
    if inspect.isroutine(value) or hasattr(value, "__wrapped__"):
        return f".. autofunction:: {module.__name__}.{name}\n"
    return f".. autodata:: {module.__name__}.{name}\n   :no-value:\n"
