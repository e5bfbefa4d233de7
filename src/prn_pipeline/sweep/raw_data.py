"""Raw data in data/01_raw/<dataset>, where DVC tracks it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from prn_pipeline.layout.places import RAW_DATA
from prn_pipeline.sweep.lists import named_blocks


def folders_of(datasets: Iterable[str], project: Path) -> dict[str, str]:
    """Data set -> its folder below the user's folder of data sets: key `folder` of its block, or else its name."""
    blocks = named_blocks(project, "parameters_datasets.yml")
    return {name: (blocks.get(name) or {}).get("folder") or name for name in datasets}


def without_raw_data(datasets: Iterable[str], project: Path, root: Path | None = None) -> list[str]:
    """A message for each data set without raw data; its runs would fail.

    Args:
        datasets: names.
        project: root of the repository.
        root: the user's folder of data sets, if its data sets are going to be linked.
    """
    folders = folders_of(datasets, project)
    return [
        f"data set {name!r} has no raw data: put its folder, or a link to it, at {RAW_DATA / name}, or name the folder"
        " that holds your data sets: prn benchmark --data FOLDER"
        for name, folder in folders.items()
        if not _exists(project / RAW_DATA / name, if_unreadable=False) and not (root and (root / folder).is_dir())
    ]


def _exists(place: Path, *, if_unreadable: bool) -> bool:
    """Whether the place exists; `if_unreadable` where its network share does not answer."""
    try:
        return place.exists()
    except OSError:
        return if_unreadable


def link_raw_data(folders: Mapping[str, str], project: Path, root: Path) -> list[Path]:
    """Link data sets below `root` into data/01_raw, where nothing is there yet.

    Args:
        folders: what `folders_of` returns.
        project: root of the repository.
        root: the user's folder of data sets, absolute or relative to the project.

    Returns:
        The links that were made.
    """
    made = []
    for name, place in folders.items():
        link, folder = project / RAW_DATA / name, (project / root / place).resolve()
        if folder.is_dir() and not _exists(link, if_unreadable=True):
            link.unlink(missing_ok=True)  # a dangling link
            link.symlink_to(folder, target_is_directory=True)
            made.append(link)
    return made
