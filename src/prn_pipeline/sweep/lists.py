"""The lists of conf/base/benchmark.yml, whose combinations are the runs of dvc.yaml's matrix stages."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from dvc.utils.serialize import YAMLFileCorruptedError, parse_yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from prn_pipeline.configuration.text_names import names_as_text
from prn_pipeline.data.store.atomic import atomic_write
from prn_pipeline.errors import UserError, closest
from prn_pipeline.layout.places import BENCHMARK_LISTS
from prn_pipeline.layout.scopes import SCOPE_OF, SCOPES, stage_address

#: List -> (what one of its items is called, parameters file that defines the items).
KNOWN = {
    "datasets": ("data set", "parameters_datasets.yml"),
    "base_models": ("base model", "parameters_base_models.yml"),
    "refiners": ("refiner", "parameters_refiners.yml"),
}


class Lists(BaseModel):
    """Every combination of these names is a run."""

    model_config = ConfigDict(extra="forbid")

    datasets: list[str] = Field(min_length=1)
    base_models: list[str] = Field(min_length=1)
    refiners: list[str] = Field(min_length=1)
    seeds: list[Annotated[int, Field(strict=True, ge=0)]] = Field(min_length=1)

    @field_validator("datasets", "base_models", "refiners", "seeds")
    @classmethod
    def _each_once(cls, values: list[Any]) -> list[Any]:
        twice = sorted({str(value) for value in values if values.count(value) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} is listed twice: remove one")
        strange = [value for value in values if isinstance(value, str) and not re.fullmatch(r"[\w+-]+", value)]
        if strange:  # names become parts of paths, commands and DVC's keys
            raise ValueError(f"{', '.join(map(repr, strange))}: a name may have letters, digits, _, + and - only")
        return values

    @model_validator(mode="after")
    def _addresses_are_unique(self) -> Self:
        if len({"-".join(map(str, names.values())) for names in self.runs()}) < len(list(self.runs())):
            raise ValueError("two runs have the same address in DVC, which joins names by '-': rename one of the names")
        return self

    def runs(self) -> Iterator[dict[str, Any]]:
        """The names {dataset, base_model, refiner, seed} of every run; the seed varies fastest."""
        for dataset, base_model, refiner, seed in itertools.product(
            self.datasets, self.base_models, self.refiners, self.seeds
        ):
            yield {"dataset": dataset, "base_model": base_model, "refiner": refiner, "seed": seed}


def stage_addresses(lists: Lists) -> dict[str, tuple[str, dict[str, Any]]]:
    """DVC's address of every stage -> (stage, names of its scope), in the order of a run."""
    addresses = {}
    for stage, scope in SCOPE_OF.items():
        for run_names in lists.runs():
            names = {name: run_names[name] for name in SCOPES[scope]}
            addresses[stage_address(stage, names)] = stage, names
    return addresses


def read_lists(project: Path, file: Path = BENCHMARK_LISTS) -> Lists:
    """Read the lists of a project.

    Raises:
        UserError: the file is missing, is not YAML, or does not have these four lists.
    """
    path = project / file
    if not path.is_file():
        raise UserError(f"no file {path}: create it with the lists datasets, base_models, refiners and seeds")
    try:
        text = path.read_text(encoding="utf-8")
        found = yaml.safe_load(names_as_text(text))
        if file == BENCHMARK_LISTS:
            _refuse_other_names(found, parse_yaml(text, path), path)
        return Lists.model_validate(found if isinstance(found, dict) else {})
    except (yaml.YAMLError, YAMLFileCorruptedError) as error:
        raise UserError(f"{path} is not YAML: {error}") from None
    except (UnicodeError, RecursionError, TypeError, AttributeError) as error:
        raise UserError(f"{path} cannot be read ({error}): write four lists of names, as UTF-8") from None
    except ValidationError as error:
        lines = [f"  {'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_url=False)]
        raise UserError(f"{path} must have four lists, none of them empty:\n" + "\n".join(lines)) from None


def use_lists(project: Path, file: Path) -> Lists:
    """Replace the project's lists by those of another file, because DVC reads them from one file only.

    Raises:
        UserError: the file does not have the four lists; the project's lists are not changed.
    """
    lists = read_lists(Path(), file.resolve())
    with atomic_write(project / BENCHMARK_LISTS) as temporary:
        temporary.write_text(names_as_text(file.read_text()))
    return lists


def unknown_names(lists: Lists, project: Path) -> list[str]:
    """A message for each name that its parameters file does not define; runs with it would fail."""
    lines = []
    for key, (kind, file) in KNOWN.items():
        known = set(named_blocks(project, file))
        for name in getattr(lists, key):
            if name not in known:
                near = closest(name, known)
                hint = f"; did you mean {near!r}?" if near else ""
                lines.append(f"{kind} {name!r} is not in conf/base/{file}{hint}")
            elif not _is_text(name) and not _dvc_finds(name, project / "conf" / "base" / file):
                lines.append(f"DVC does not find {kind} {name!r} in conf/base/{file}: write '{name}' in quotes there")
    return lines


def named_blocks(project: Path, file: str) -> dict[str, Any]:
    """Blocks of a parameters file by name, from conf/base: DVC does not track the other environments."""
    path = project / "conf" / "base" / file
    try:
        loaded = (yaml.safe_load(names_as_text(path.read_text(encoding="utf-8"))) or {}) if path.is_file() else {}
        blocks = next(iter(loaded.values()), None) or {}
    except (yaml.YAMLError, UnicodeError, RecursionError, AttributeError) as error:
        raise UserError(f"{path} is not YAML ({error}): correct the file") from None
    if not isinstance(blocks, dict):
        raise UserError(f"{path} has a {type(blocks).__name__}, expected a block for each name: correct the file")
    return blocks


def _refuse_other_names(found: Any, of_dvc: Any, path: Path) -> None:
    """Refuse names that DVC, which reads the file too, takes for something other than this text."""
    for key in KNOWN:
        ours, theirs = (one.get(key) if isinstance(one, dict) else None for one in (found, of_dvc))
        if isinstance(ours, list) and isinstance(theirs, list):
            for name, read in zip(ours, theirs, strict=True):
                if isinstance(name, str) and str(read) != name:
                    raise UserError(f"{path}: DVC reads {name} as {read!r}: write '{name}' in quotes in {key}")


def _is_text(name: str) -> bool:
    """Whether every version of YAML takes a name for text: DVC need not be asked, which reads the file each time."""
    return name[:1].isalpha() and isinstance(yaml.safe_load(name), str)


def _dvc_finds(name: str, path: Path) -> bool:
    """Whether DVC finds a block by this name: as text, or as an integer."""
    keys = next(iter(parse_yaml(path.read_text(), path).values()), None) or {}
    return name in keys or any(type(key) is int and name.isdecimal() and key == int(name) for key in keys)
