"""Raw data is linked to where DVC looks, and never over something."""

from pathlib import Path

from prn_pipeline.benchmark.raw_data import RAW, link_raw_data, without_raw_data


def test_folders_of_the_users_data_are_linked_once(tmp_path: Path) -> None:
    project, root = tmp_path / "project", tmp_path / "data"
    for folder in (root / "drive", root / "roads", project / RAW / "roads"):
        folder.mkdir(parents=True)
    (project / RAW / "drive").symlink_to(tmp_path / "gone")
    assert link_raw_data(["drive", "roads", "made"], project, root) == [project / RAW / "drive"]
    assert (project / RAW / "drive").resolve() == root / "drive"
    assert not (project / RAW / "roads").is_symlink(), "what is there stays"
    assert link_raw_data(["drive"], project, root) == []


def test_data_sets_that_dvc_cannot_find_are_named_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / RAW / "roads").mkdir(parents=True)
    (line,) = without_raw_data(["roads", "drive"], tmp_path)
    assert "'drive' has no raw data" in line
    assert "prn benchmark --data" in line
