"""Every command and option, from the click commands themselves."""

from __future__ import annotations

import inspect
import re

import click

from docs.generators.tables import table
from prn_pipeline.cli import cli
from prn_pipeline.commands import prn
from prn_pipeline.processes.exit_codes import EXIT_CODES


def command_page() -> str:
    """Markdown: a section for each command of `prn`, then `kedro run`."""
    commands = [(f"prn {name}", command) for name, command in prn.commands.items()]
    return "\n".join(
        command_section(name, command) for name, command in [*commands, ("kedro run", cli.commands["run"])]
    )


def command_section(name: str, command: click.Command) -> str:
    """Heading, usage, help and a table of options."""
    context = click.Context(command, info_name=name)
    usage = " ".join(command.collect_usage_pieces(context))
    parts = [f"## `{name}`\n", f"`{name} {usage}`\n", _plain(command.help or "")]
    if rows := [_option(parameter, context) for parameter in command.params if isinstance(parameter, click.Option)]:
        parts.append(table(["option", "takes", "default", "meaning"], rows))
    return "\n".join(parts)


def _plain(text: str) -> str:
    """Help as Markdown; click's \\b marks a paragraph whose line breaks stay."""
    paragraphs = re.split(r"\n\s*\n", inspect.cleandoc(text))
    return "\n".join(
        f"```text\n{paragraph.removeprefix(chr(8)).strip()}\n```\n"
        if paragraph.startswith("\b")
        else _escaped(paragraph)
        for paragraph in paragraphs
    )


def _escaped(text: str) -> str:
    return re.sub(r"([<>*])", r"\\\1", text) + "\n"


def _option(option: click.Option, context: click.Context) -> list[str]:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    takes = "" if option.is_flag else option.make_metavar(context)
    default = option.default() if callable(option.default) else option.default
    shown = default is not None and not option.is_flag and not option.multiple and _is_plain(default)
    help_text = _escaped(option.help or "").strip()
    return [names, f"`{takes}`" if takes else "", f"`{default}`" if shown else "", _meaning(help_text, option)]


def _is_plain(value: object) -> bool:
    """Whether click was given a value; its mark for "none given" is an object of its own."""
    return isinstance(value, str | int | float) and value != ""


def _meaning(help_text: str, option: click.Option) -> str:
    return help_text + (" (required)" if option.required else "") + (" (repeatable)" if option.multiple else "")


def exit_code_table() -> str:
    """Exit codes of `prn retrain`."""
    return table(["code", "meaning"], ([str(code), meaning] for code, meaning in EXIT_CODES.items()))
