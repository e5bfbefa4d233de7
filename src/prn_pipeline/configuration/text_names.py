"""Names of data sets, base models and refiners are text, also those that YAML reads otherwise: 2018, 1e5, null."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

#: Keys whose value is a name.
NAMES = ("dataset", "base_model", "refiner")
#: Keys whose value is a list of names, or blocks by name.
BLOCKS = ("datasets", "base_models", "refiners")
#: Reads a file in a tenth of the time, where PyYAML was built with it.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def names_as_text(text: str) -> str:
    """YAML in which every name stands in quotes; the rest, and YAML that cannot be read, is unchanged.

    A name is the value of a key of NAMES, and an item or a key below a key of BLOCKS, at the top level.
    """
    if not any(name in text for name in NAMES):
        return text
    try:
        root = yaml.compose(text, Loader=_LOADER)
    except yaml.YAMLError:
        return text  # the loader that reads it next reports where it is wrong
    for node in sorted(_names(root), key=lambda node: -node.start_mark.index):
        quoted = "'" + node.value.replace("'", "''") + "'"
        text = text[: node.start_mark.index] + quoted + text[node.end_mark.index :]
    return text


def parsed_names_as_text(parameters: dict[str, Any], given: str) -> dict[str, Any]:
    """Parameters of a command line with its names as they were written.

    Args:
        parameters: parsed, so that `dataset=2018` gave a number.
        given: the command line's text, `key=value,key=value`.
    """
    written = {key.strip(): value.strip() for key, _, value in (item.partition("=") for item in given.split(","))}
    return {
        key: written.get(key, value) if key in NAMES and not isinstance(value, str) else value
        for key, value in parameters.items()
    }


def _names(root: yaml.Node | None) -> Iterator[yaml.ScalarNode]:
    if not isinstance(root, yaml.MappingNode):
        return
    for key, value in root.value:
        if key.value in NAMES and _is_plain(value):
            yield value
        elif key.value in BLOCKS and isinstance(value, yaml.SequenceNode):
            yield from filter(_is_plain, value.value)
        elif key.value in BLOCKS and isinstance(value, yaml.MappingNode):
            yield from (name for name, _ in value.value if _is_plain(name))


def _is_plain(node: yaml.Node) -> bool:
    """A scalar without quotes that is neither empty, nor a merge key, nor an interpolation."""
    return (
        isinstance(node, yaml.ScalarNode) and not node.style and node.value not in ("", "<<") and "${" not in node.value
    )
