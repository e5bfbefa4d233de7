"""Progress of a command that goes through the images of a folder, and the images that failed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import click

#: Failed images that are listed.
MAX_LISTED = 5


def with_progress(steps: Iterable[tuple[str, str | None]], total: int, before: int) -> list[tuple[str, str]]:
    """Go through the steps under a progress bar.

    Args:
        steps: name of each image, and its error or None.
        total: number of all images.
        before: number of images that were done before.

    Returns:
        Name and error of the images that failed.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    failed: list[tuple[str, str]] = []
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}", style="dim", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=total, completed=before)
        for name, error in steps:
            bar.update(task, advance=1, description=printable(name))
            if error is not None:
                failed.append((name, error))
    return failed


def print_failed(failed: Sequence[tuple[str, str]], where: str = "") -> None:
    """Print the first images that failed, and how many there are.

    Args:
        failed: name and error of each.
        where: what follows their number.
    """
    for name, error in failed[:MAX_LISTED]:
        click.secho(f"{printable(name)}: {printable(error)}", fg="red", err=True)
    if len(failed) > MAX_LISTED:
        click.secho(f"... {len(failed)} images failed{where}", fg="red", err=True)


def printable(text: str) -> str:
    """The name of a file, or a text with one, without characters that move the cursor or change the terminal."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
