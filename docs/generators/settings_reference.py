"""Every key of the configuration with type, default and description, from the pydantic models that check it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import BaseModel

from docs.generators.tables import table
from prn_pipeline.configuration.parameters import RUN_NAMES, Parameters
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.refinement.registry import REFINERS
from prn_pipeline.segmentation.registry import MAP_SOURCES
from prn_pipeline.training.settings import TrainingSettings

PROJECT = Path(__file__).resolve().parents[2]
#: Sections whose blocks are checked against a model that depends on the block.
TRAININGS = ("base_training", "prn_training")
PRESETS = ("datasets", "base_models", "refiners")


class Key(NamedTuple):
    """One key: its dotted path, and three cells of the table; `variant` names the choice that it belongs to."""

    path: str
    kind: str
    default: str
    description: str
    variant: str = ""


def settings_page() -> str:
    """Markdown: a section per block of the configuration."""
    return "\n".join(f"## {title}\n\n{text}\n\n{_tables(keys)}" for title, text, keys in blocks())


def blocks() -> Iterator[tuple[str, str, list[Key]]]:
    """Title, introduction and keys of each block."""
    yield "The run", "Top level of `conf/base/parameters.yml`.", _run_keys()
    text = "A block below `datasets:`, in `conf/base/parameters_datasets.yml`."
    yield "A data set: `datasets.<name>`", text, keys_of(DatasetSettings)
    for name, source in MAP_SOURCES.items():
        text = f"{_summary(source.settings)} In `conf/base/parameters_base_models.yml`."
        yield f"A base model of kind `{name}`: `base_models.<name>`", text, keys_of(source.settings)
    for name, kind in REFINERS.items():
        text = f"{_summary(kind.settings)} In `conf/base/parameters_refiners.yml`."
        yield f"A refiner with network `{name}`: `refiners.<name>`", text, keys_of(kind.settings)
    text = (
        "Training of base models and refiners. The defaults of this table hold for a key that neither"
        " `conf/base/parameters_base_training.yml` (or `_prn_training.yml`) nor the preset's own block `training` sets."
    )
    yield "Training: `base_training`, `prn_training`, `training`", text, keys_of(TrainingSettings)
    for name, field in Parameters.model_fields.items():
        model = field.annotation
        if name not in (*TRAININGS, *PRESETS) and isinstance(model, type) and issubclass(model, BaseModel):
            yield f"`{name}`", _summary(model), _with_given(keys_of(model), given().get(name))


def given() -> dict[str, Any]:
    """What `conf/base` sets, with its interpolations as they are written."""
    found: dict[str, Any] = {}
    for file in sorted((PROJECT / "conf" / "base").glob("parameters*.yml")):
        found |= yaml.safe_load(file.read_text())
    return found


def _run_keys() -> list[Key]:
    schema = Parameters.model_json_schema()
    run = yaml.safe_load((PROJECT / "conf" / "base" / "globals.yml").read_text())
    names = (*RUN_NAMES, "checkpoints")
    return [
        Key(name, _kind(schema["properties"][name], {}), _value(run.get(name, given()[name])), _text(schema, name))
        for name in names
    ]


def keys_of(model: type[BaseModel]) -> list[Key]:
    """All keys of a model, those of inner blocks included, in the order of their definition.

    A block that several variants have in common is spelt out for the first.
    """
    schema = model.model_json_schema()
    return list(_keys(schema, schema.get("$defs", {}), "", "", set()))


def _keys(
    schema: dict[str, Any], models: dict[str, Any], above: str, variant: str, spelt_out: set[tuple[str, str]]
) -> Iterator[Key]:
    required = schema.get("required", ())
    for name, field in schema.get("properties", {}).items():
        if variant.endswith(f"`{name}: {field.get('const')}`"):
            continue  # the heading of the variant says so
        path, inner = above + name, list(_inner(field))
        default = "required" if name in required else _value(field.get("default"), bool(inner))
        yield Key(path, _kind(field, models), default, _description(field, models), variant)
        tag = field.get("discriminator", {}).get("propertyName")
        if tag:
            choices = " | ".join(f"`{models[model]['properties'][tag]['const']}`" for model in inner)
            chosen = _value((field.get("default") or {}).get(tag))
            yield Key(f"{path}.{tag}", choices, chosen, "Selects the other keys: a table for each below.", variant)
        for model in inner:
            if (path, model) in spelt_out:
                continue
            spelt_out.add((path, model))
            block = models[model]
            chosen = f"`{path}` with `{tag}: {block['properties'][tag]['const']}`" if tag else variant
            yield from _keys(block, models, f"{path}.", chosen, spelt_out)


def _description(field: dict[str, Any], models: dict[str, Any]) -> str:
    """A field's own description; else what its block says of itself, or that the value selects this table."""
    if "const" in field:
        return field.get("description", "Selects these keys.")
    inner = [models[name].get("description", "").split("\n\n")[0] for name in _inner(field)]
    return str(field.get("description") or " ".join(inner))


def _inner(field: dict[str, Any]) -> Iterator[str]:
    """Names of the models of the blocks that a field may hold."""
    for option in field.get("oneOf") or field.get("anyOf") or [field.get("items", field)]:
        if "$ref" in option:
            yield option["$ref"].rsplit("/", 1)[1]


def _kind(field: dict[str, Any], models: dict[str, Any]) -> str:
    """What values a key takes."""
    if "enum" in field or "const" in field:
        return " | ".join(f"`{value}`" for value in field.get("enum", [field.get("const")]))
    if options := field.get("oneOf") or field.get("anyOf"):
        return " | ".join(dict.fromkeys(_kind(option, models) for option in options))
    if "$ref" in field:
        target = models.get(field["$ref"].rsplit("/", 1)[1], {})
        return "block" if "properties" in target else _kind(target, models)
    if field.get("type") == "array":
        items = field.get("items") or next(iter(field.get("prefixItems", [])), {})
        return f"list of {_kind(items, models)}"
    names = {"object": "block", "null": "null", "boolean": "true | false", "integer": "integer", "string": "text"}
    return names.get(field.get("type", ""), field.get("type", "any")) + _limits(field)


def _limits(field: dict[str, Any]) -> str:
    signs = {
        "minimum": "≥",
        "exclusiveMinimum": ">",
        "maximum": "≤",
        "exclusiveMaximum": "<",
        "multipleOf": "multiple of",
    }
    found = [f"{sign} {field[key]:g}" for key, sign in signs.items() if key in field]
    return f" ({', '.join(found)})" if found else ""


def _value(default: Any, block: bool = False) -> str:
    if block and isinstance(default, dict):
        return ""  # each key of the block has its own line
    if default is None:
        return "null"
    text = yaml.safe_dump(default, default_flow_style=True, allow_unicode=True, width=1000)
    return f"`{text.strip().removesuffix('...').strip()}`"


def _with_given(keys: list[Key], values: Any) -> list[Key]:
    """Keys whose default is what `conf/base` sets."""
    return [key._replace(default=_looked_up(key, values)) for key in keys]


def _looked_up(key: Key, values: Any) -> str:
    for name in key.path.split("."):
        if not isinstance(values, dict) or name not in values:
            return key.default
        values = values[name]
    return "" if key.kind == "block" else _value(values)


def _text(schema: dict[str, Any], name: str) -> str:
    return str(schema["properties"][name].get("description", ""))


def _summary(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").split("\n\n")[0].replace("\n", " ").strip()


def _tables(keys: list[Key]) -> str:
    """A table of the block's own keys, then one per variant of its inner blocks."""
    parts = []
    for variant in dict.fromkeys(key.variant for key in keys):
        rows = [key for key in keys if key.variant == variant]
        parts.append(f"### {variant}\n\n{_table(rows)}" if variant else _table(rows))
    return "\n".join(parts)


def _table(keys: list[Key]) -> str:
    rows = ([f"`{key.path}`", key.kind, key.default, _sentence(key.description)] for key in keys)
    return table(["key", "values", "default", "meaning"], rows)


def _sentence(text: str) -> str:
    text = text.strip()
    return text[:1].upper() + text[1:]
