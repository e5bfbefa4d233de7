"""The pipelines by name; the stages of DVC have the same names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module

from kedro.pipeline import Pipeline

from prn_pipeline.layout.scopes import SCOPE_OF

#: In the order of a run.
STAGES = tuple(SCOPE_OF)
#: Not a part of the default pipeline, because it changes which model is served.
PROMOTION = "promotion"
DEFAULT = "__default__"


class Pipelines(Mapping[str, Pipeline]):
    """Every pipeline by its name, and `__default__`: all of them except promotion.

    A pipeline is imported when it is requested, so a process that runs one stage, as DVC's do, does not load the
    libraries of the others.
    """

    def __getitem__(self, name: str) -> Pipeline:
        if name == DEFAULT:
            return sum((self[stage] for stage in STAGES), Pipeline([]))
        if name not in (*STAGES, PROMOTION):
            raise KeyError(name)
        return import_module(f"prn_pipeline.pipelines.{name}").create_pipeline()

    def __iter__(self) -> Iterator[str]:
        return iter((*STAGES, PROMOTION, DEFAULT))

    def __len__(self) -> int:
        return len(STAGES) + 2


def register_pipelines() -> Mapping[str, Pipeline]:
    """The pipelines that Kedro runs by name."""
    return Pipelines()
