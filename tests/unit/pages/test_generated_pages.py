"""The reference is complete: every setting, command, option, exit code and public name is on its page."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from docs.generators.command_reference import command_page, exit_code_table
from docs.generators.docstrings import markdown_to_rst
from docs.generators.pages import INCLUDED, rewrite_links
from docs.generators.public_names import PAGES, names_page
from docs.generators.settings_reference import PRESETS, blocks, given, settings_page
from prn_pipeline.commands import prn
from prn_pipeline.processes.exit_codes import EXIT_CODES
from prn_pipeline.refinement import __all__ as refinement_names

PROJECT = Path(__file__).resolve().parents[3]


@cache
def known_keys() -> set[str]:
    return {key.path for _, _, keys in blocks() for key in keys}


def used_keys(values: Any, above: str = "") -> set[str]:
    """Dotted paths of all keys of a block."""
    if not isinstance(values, dict):
        return set()
    inner = (used_keys(value, f"{above}{name}.") for name, value in values.items())
    return {f"{above}{name}" for name in values}.union(*inner)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_key_of_every_preset_is_in_the_reference(preset: str) -> None:
    used = set().union(*(used_keys(block) for block in given()[preset].values()))
    free = {key for key in used if key.startswith("options.")}  # arguments of another library
    training = {f"training.{key}" for key in known_keys()} | {"training", "inputs_if_available"}
    assert used
    assert used - free <= known_keys() | training


def test_every_other_key_of_the_configuration_is_in_the_reference() -> None:
    for section, values in given().items():
        if section not in PRESETS and isinstance(values, dict):
            assert used_keys(values) <= known_keys(), section
    assert len(known_keys()) > 150


def test_every_key_has_a_description_and_a_kind() -> None:
    keys = [key for _, _, found in blocks() for key in found]
    assert [key.path for key in keys if not key.description] == []
    assert all(key.kind for key in keys)


def test_defaults_are_those_of_the_configuration_files() -> None:
    resamples = yaml.safe_load((PROJECT / "conf/base/parameters_evaluation.yml").read_text())["evaluation"]["resamples"]
    assert re.search(rf"`resamples` \| [^|]* \| `{resamples}` \|", settings_page())


def test_every_command_and_option_is_in_the_reference() -> None:
    page = command_page()
    for name, command in prn.commands.items():
        section = page.split(f"## `prn {name}`")[1].split("\n## ")[0]
        options = [option for one in command.params if isinstance(one, click.Option) for option in one.opts]
        assert all(f"`{option}`" in section for option in options), name
    assert "`--pipelines`" in page.split("## `kedro run`")[1]


def test_every_exit_code_is_in_the_reference() -> None:
    assert exit_code_table().count("\n") == len(EXIT_CODES) + 2
    assert all(f"| {code} | {meaning} |" in exit_code_table() for code, meaning in EXIT_CODES.items())


def test_every_public_name_of_the_method_has_a_directive() -> None:
    page = names_page("refinement")
    assert len(refinement_names) > 20
    assert all(f"prn_pipeline.refinement.{name}\n" in page for name in refinement_names)
    assert all(names_page(name) for name in PAGES)


def test_links_out_of_the_pages_lead_to_the_pages_that_include_the_files() -> None:
    assert all((PROJECT / "docs" / page).is_file() for page in INCLUDED.values())
    text = "[a](../README.md#words) [b](runs.md#x) [c](https://example.org) [d](../deploy/README.md)"
    expected = "[a](reference/words.md) [b](runs.md#x) [c](https://example.org) [d](how_to/schedules.md)"
    assert rewrite_links("serving", text) == expected
    assert rewrite_links("how_to/schedules", "[d](../../README.md)") == "[d](../index.md)"


def test_docstrings_become_what_sphinx_reads() -> None:
    lines = ["mean of |p - y|, see `scores`", "``x`` and `a | b`"]
    markdown_to_rst(lines)
    assert lines == [r"mean of \|p - y\|, see ``scores``", "``x`` and ``a | b``"]
