"""Raw data is linked into data/01_raw and never replaces what is there."""

import errno
from pathlib import Path

import pytest

from prn_pipeline.layout.places import RAW_DATA
from prn_pipeline.sweep.raw_data import folders_of, link_raw_data, without_raw_data


def test_data_sets_are_linked_once(tmp_path: Path) -> None:
    project, root = tmp_path / "project", tmp_path / "data"
    for folder in (root / "drive", root / "roads", project / RAW_DATA / "roads"):
        folder.mkdir(parents=True)
    (project / RAW_DATA / "drive").symlink_to(tmp_path / "gone")
    folders = {name: name for name in ("drive", "roads", "made")}
    assert link_raw_data(folders, project, root) == [project / RAW_DATA / "drive"]
    assert (project / RAW_DATA / "drive").resolve() == root / "drive"
    assert not (project / RAW_DATA / "roads").is_symlink(), "what is there stays"
    assert link_raw_data({"drive": "drive"}, project, root) == []


def test_a_data_set_may_have_a_folder_of_another_name(tmp_path: Path) -> None:
    conf = tmp_path / "conf/base"
    conf.mkdir(parents=True)
    (conf / "parameters_datasets.yml").write_text("datasets: {roads_0: {folder: roads}, drive: {}, plain: }")
    folders = folders_of(["roads_0", "drive", "plain"], tmp_path)
    assert folders == {"roads_0": "roads", "drive": "drive", "plain": "plain"}
    (tmp_path / "data/roads").mkdir(parents=True)
    (tmp_path / RAW_DATA).mkdir(parents=True)
    link_raw_data(folders, tmp_path, tmp_path / "data")
    assert (tmp_path / RAW_DATA / "roads_0").resolve() == tmp_path / "data/roads"


def test_data_sets_without_raw_data_are_listed_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / RAW_DATA / "roads").mkdir(parents=True)
    (line,) = without_raw_data(["roads", "drive"], tmp_path)
    assert "'drive' has no raw data" in line
    assert "prn benchmark --data" in line
    (tmp_path / "mine/drive").mkdir(parents=True)
    assert without_raw_data(["roads", "drive"], tmp_path, tmp_path / "mine") == [], "it will be linked"


def test_a_network_share_that_does_not_answer_keeps_its_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(self: Path) -> bool:
        raise OSError(errno.ENOTCONN, "Transport endpoint is not connected", str(self))

    project = tmp_path / "project"
    for folder in (project / "conf/base", project / RAW_DATA):
        folder.mkdir(parents=True)
    (project / "conf/base/parameters_datasets.yml").write_text("datasets: {drive: {}}")
    (tmp_path / "mine" / "drive").mkdir(parents=True)
    link = project / RAW_DATA / "drive"
    link.symlink_to("/share/drive")
    monkeypatch.setattr(Path, "exists", silent)
    assert "'drive' has no raw data" in without_raw_data(["drive"], project)[0]
    assert link_raw_data({"drive": "drive"}, project, tmp_path / "mine") == []
    assert str(link.readlink()) == "/share/drive"
