"""`prn init`: look at a folder of images and masks or annotations, and write the settings that read it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from shlex import quote

import click

from prn_pipeline.commands.terminal import project_root
from prn_pipeline.commands.user_errors import report_user_errors


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--name", help="name of the data set  [default: the name of FOLDER]")
@report_user_errors
def init(folder: Path, name: str | None) -> None:
    """Add the data set in FOLDER to the project.

    Finds out which files are images and which are masks, how their names correspond, what the values of the masks mean,
    and which splits there are. Annotations may take the place of masks: COCO, YOLO, LabelMe, CVAT, VIA, or run-length
    codes in CSV tables. Adds a block to conf/base/parameters_datasets.yml, and prints it with whatever it could not
    decide. Your files are not changed; only where folders or files such as images/train or instances_train.json name
    the splits, a table of them is written into FOLDER.
    """
    from prn_pipeline.configuration.dataset_blocks import FILE, add_dataset_block, refuse_known_name
    from prn_pipeline.configuration.project_configuration import read_configuration
    from prn_pipeline.data.discovery.block_text import block_text
    from prn_pipeline.data.discovery.proposal import propose_block
    from prn_pipeline.layout.names import check_name

    project = project_root()
    folder = Path(os.path.abspath(os.path.expanduser(folder)))
    name = check_name("dataset", name or re.sub(r"[^\w+-]+", "_", folder.name).strip("_") or "my_data")
    parameters = read_configuration(project, {}).parameters
    refuse_known_name(parameters, name)
    configured = Path(os.path.abspath(parameters["ingestion"]["data_root"]))
    data_root, below = _place(folder, configured)
    proposal = propose_block(name, data_root, below)
    text = block_text(proposal)
    add_dataset_block(project, name, text)
    click.echo(f"Added to {FILE}:\n\n{text.rstrip()}\n")
    for note in proposal.notes:
        click.echo(f"Note: {note}\n")
    if data_root != configured:
        click.echo(f"The folder is not below {configured}. Type this first:\n")
        click.echo(f"  export PRN_DATA_ROOT={quote(str(data_root))}\n")
    click.echo(f"Next:\n\n  prn check {quote(name)}")


def _place(folder: Path, configured: Path) -> tuple[Path, str]:
    """A data root, and the path of the folder below it: the configured root, if the folder lies below it."""
    for one, root in ((folder, configured), (folder.resolve(), configured.resolve())):
        if one != root and one.is_relative_to(root):
            return configured, one.relative_to(root).as_posix()
    return folder.parent, folder.name
