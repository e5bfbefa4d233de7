"""Data sets, base models and refiners may have names that YAML reads as numbers, truth values or nothing."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from omegaconf import OmegaConf

from prn_pipeline.configuration.config_loader import RunConfigLoader
from prn_pipeline.configuration.loader_arguments import LOADER_ARGS
from prn_pipeline.configuration.text_names import names_as_text
from prn_pipeline.errors import UserError
from prn_pipeline.layout.places import BENCHMARK_LISTS
from prn_pipeline.sweep.lists import read_lists, unknown_names, use_lists

PROJECT = Path(__file__).resolve().parents[2]
NAMES = ["2018", "2018_07", "1e5", "1.0", "true", "no", "null", "007", "0x1f", "1_000", "2018-07-01", "~", "on"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("load", [yaml.safe_load, lambda text: OmegaConf.to_container(OmegaConf.create(text))])
def test_every_name_in_yaml_is_text_and_nothing_else_changes(name: str, load: Any) -> None:
    text = f"""
dataset: {name}   # a comment with {name}
seed: 3
count: 1e5
datasets:
  {name}: {{image_size: 64, folder: {name}}}
  other: &other {{image_size: 32}}
  'quoted': {{<<: *other}}
base_models: [{name}, "b"]
refiners:
- {name}
"""
    loaded = load(names_as_text(text))
    assert loaded["dataset"] == name
    assert list(loaded["datasets"]) == [name, "other", "quoted"]
    assert loaded["base_models"] == [name, "b"]
    assert loaded["refiners"] == [name]
    plain = yaml.safe_load(text)
    assert loaded["seed"] == 3
    assert loaded["datasets"][name]["image_size"] == 64
    assert yaml.safe_load(names_as_text(text))["count"] == plain["count"]


def test_interpolations_merge_keys_and_broken_yaml_are_left_alone() -> None:
    for text in ("dataset: ${globals:dataset}\n", "datasets:\n  <<: {a: 1}\n", "dataset:\n", "a: [1\n", "", "- 2018\n"):
        assert names_as_text(text) == text


def copy_of_conf(folder: Path, name: str) -> Path:
    for file in (PROJECT / "conf").rglob("*.yml"):
        target = folder / file.relative_to(PROJECT / "conf")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(file.read_text())
    (folder / "local").mkdir(exist_ok=True)
    (folder / "base/parameters_datasets.yml").write_text(f"datasets:\n  {name}: {{reader: synthetic}}\n  a: {{}}\n")
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_kedro_run_takes_the_name_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    from prn_pipeline.cli import run

    given: dict[str, Any] = {}
    monkeypatch.setattr(run, "callback", lambda **options: given.update(options))
    done = CliRunner().invoke(run, ["--params", f"dataset={name},base_model=unet_resnet18_small,seed=1,tiles.size=512"])
    assert done.exit_code == 0, done.output
    assert given["params"] == {
        "dataset": name,
        "base_model": "unet_resnet18_small",
        "seed": 1,
        "tiles": {"size": 512},
    }
    conf = copy_of_conf(tmp_path, name)
    loader = RunConfigLoader(str(conf), env="local", runtime_params=given["params"], **LOADER_ARGS)
    assert loader["parameters"]["run"]["names"]["dataset"] == name
    assert loader["catalog"]["manifest"]["filepath"].endswith(f"02_intermediate/{name}/manifest.parquet")


@pytest.mark.parametrize("name", NAMES)
def test_a_name_in_globals_is_text_too(tmp_path: Path, name: str) -> None:
    conf = copy_of_conf(tmp_path, name)
    (conf / "local/globals.yml").write_text(f"dataset: {name}\n")
    loader = RunConfigLoader(str(conf), env="local", **LOADER_ARGS)
    assert loader["parameters"]["run"]["names"]["dataset"] == name


def lists_of(folder: Path, name: str, blocks: str = "{}") -> Path:
    (folder / BENCHMARK_LISTS).parent.mkdir(parents=True)
    text = f"datasets: [{name}]\nbase_models: [unet]\nrefiners: [prn]\nseeds: [0]\n"
    (folder / BENCHMARK_LISTS).write_text(text)
    (folder / "conf/base/parameters_datasets.yml").write_text(f"datasets:\n  {name}: {blocks}\n")
    return folder


@pytest.mark.parametrize("name", ["2018", "'2018'", "'1e5'", "'true'", "'null'", "'2018_07'"])
def test_lists_and_blocks_of_a_benchmark_may_have_the_name(tmp_path: Path, name: str) -> None:
    project = lists_of(tmp_path, name)
    lists = read_lists(project)
    assert lists.datasets == [name.strip("'")]
    assert not [line for line in unknown_names(lists, project) if "data set" in line]


@pytest.mark.parametrize("name", ["1e5", "true", "null", "2018_07", "007"])
def test_a_name_that_dvc_reads_otherwise_has_to_be_quoted(tmp_path: Path, name: str) -> None:
    project = lists_of(tmp_path, name)
    with pytest.raises(UserError, match=rf"benchmark\.yml: DVC reads {name} as .*write '{name}'"):
        read_lists(project)


def test_a_block_that_dvc_does_not_find_is_named(tmp_path: Path) -> None:
    project = lists_of(tmp_path, "'1e5'")
    assert unknown_names(read_lists(project), project)[0].startswith("base model")
    (project / "conf/base/parameters_datasets.yml").write_text("datasets:\n  1e5: {}\n")
    (line, *_) = unknown_names(read_lists(project), project)
    assert "write '1e5' in quotes" in line


def test_lists_that_replace_those_of_the_project_are_quoted(tmp_path: Path) -> None:
    project = lists_of(tmp_path, "a")
    other = tmp_path / "other.yml"
    other.write_text("datasets: [1e5, 2018_07]\nbase_models: [unet]\nrefiners: [prn]\nseeds: [0]\n")
    assert use_lists(project, other).datasets == ["1e5", "2018_07"]
    assert read_lists(project).datasets == ["1e5", "2018_07"]
