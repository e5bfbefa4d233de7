"""Raw data where DVC looks for it: data/01_raw/<dataset>."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from prn_pipeline.layout.places import RAW_DATA
from prn_pipeline.sweep.lists import named_blocks


def folders_of(datasets: Iterable[str], project: Path) -> dict[str, str]:
    """Data set -> its folder below the user's folder of data sets: its own name, or what its block says."""
    blocks = named_blocks(project, "parameters_datasets.yml")
    return {name: (blocks.get(name) or {}).get("folder") or name for name in datasets}


def without_raw_data(datasets: Iterable[str], project: Path, root: Path | None = None) -> list[str]:
    """A line for each data set that DVC cannot find; its runs would fail.

    Args:
        datasets: names.
        project: root of the repository.
        root: the user's folder of data sets, if those that lie there will be linked.
    """
    folders = folders_of(datasets, project)
    return [
        f"data set {name!r} has no raw data: put its folder, or a link to it, at {RAW_DATA / name}, or name the folder"
        " that holds your data sets: prn benchmark --data FOLDER"
        for name, folder in folders.items()
        if not _is_there(project / RAW_DATA / name, unanswered=False) and not (root and (root / folder).is_dir())
    ]


def _is_there(place: Path, unanswered: bool) -> bool:
    """Whether there is such a place; `unanswered` where its share does not say."""
    try:
        return place.exists()
    except OSError:
        return unanswered


def link_raw_data(folders: Mapping[str, str], project: Path, root: Path) -> list[Path]:
    """Link the folders of data sets that lie below `root` to where DVC tracks them, unless something is there.

    Args:
        folders: of `folders_of`.
        project: root of the repository.
        root: the user's folder of data sets; relative ones are the project's.

    Returns:
        The links that were made.
    """
    made = []
    for name, place in folders.items():
        link, folder = project / RAW_DATA / name, (project / root / place).resolve()
        if folder.is_dir() and not _is_there(link, unanswered=True):
            link.unlink(missing_ok=True)  # one that leads nowhere any more
            link.symlink_to(folder, target_is_directory=True)
            made.append(link)
    return made
