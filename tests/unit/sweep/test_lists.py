"""conf/base/benchmark.yml: valid lists, and the messages for invalid ones."""

import hashlib
import subprocess
from pathlib import Path

import pytest

import prn_pipeline.sweep.lists as lists_module
from prn_pipeline.errors import UserError
from prn_pipeline.layout.places import BENCHMARK_LISTS
from prn_pipeline.sweep.lists import read_lists, unknown_names, use_lists

PROJECT = Path(__file__).resolve().parents[3]
GOOD = "datasets: [a, b]\nbase_models: [unet]\nrefiners: [prn, bias_field]\nseeds: [0, 1]\n"


def project(folder: Path, text: str) -> Path:
    (folder / BENCHMARK_LISTS).parent.mkdir(parents=True)
    (folder / BENCHMARK_LISTS).write_text(text)
    return folder


def test_every_combination_is_a_run(tmp_path: Path) -> None:
    lists = read_lists(project(tmp_path, GOOD))
    runs = list(lists.runs())
    assert len(runs) == 2 * 1 * 2 * 2
    assert runs[0] == {"dataset": "a", "base_model": "unet", "refiner": "prn", "seed": 0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD.replace("seeds: [0, 1]\n", ""), "seeds: Field required"),
        (GOOD.replace("[a, b]", "[]"), "datasets: List should have at least 1 item"),
        (GOOD.replace("[0, 1]", "[zero]"), "seeds.0: Input should be a valid integer"),
        (GOOD.replace("[0, 1]", "[0, true]"), "seeds.1: Input should be a valid integer"),
        (GOOD.replace("[0, 1]", "[-1]"), "seeds.0: Input should be greater than or equal to 0"),
        (GOOD.replace("[0, 1]", "[1, 0, 1]"), "seeds: Value error, 1 is listed twice: remove one"),
        (GOOD.replace("[a, b]", "[a/b]"), "datasets: Value error, 'a/b': a name may have letters, digits"),
        (GOOD.replace("[a, b]", "[a, roads.v2]"), "datasets: Value error, 'roads.v2': a name may have letters, digits"),
        (GOOD.replace("[a, b]", "[a, 'b;c']"), "datasets: Value error, 'b;c': a name may have letters, digits"),
        (GOOD.replace("[a, b]", "[a, a-b]").replace("[unet]", "[b-c, c]"), "two runs have the same address in DVC"),
        (GOOD + "gpus: 2\n", "gpus: Extra inputs are not permitted"),
        ("datasets: [a\n", "is not YAML"),
        ("", "must have four lists"),
    ],
)
def test_the_message_names_file_list_and_problem(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=r"benchmark\.yml") as caught:
        read_lists(project(tmp_path, text))
    assert message in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no file .*benchmark\.yml"):
        read_lists(tmp_path)


def test_unknown_names_are_listed_with_the_closest_match(tmp_path: Path) -> None:
    project(tmp_path, GOOD.replace("[a, b]", "[drive, drvie]").replace("[unet]", "[unet_resnet18_small]"))
    lists = read_lists(tmp_path)
    assert unknown_names(lists, PROJECT) == [
        "data set 'drvie' is not in conf/base/parameters_datasets.yml; did you mean 'drive'?"
    ]


def test_the_lists_of_the_repository_are_valid() -> None:
    assert unknown_names(read_lists(PROJECT), PROJECT) == []


def test_lists_of_another_file_replace_the_projects_only_if_they_are_valid(tmp_path: Path) -> None:
    folder = project(tmp_path, GOOD)
    (tmp_path / "other.yml").write_text(GOOD.replace("[0, 1]", "[5]"))
    assert use_lists(folder, tmp_path / "other.yml").seeds == [5]
    assert read_lists(folder).seeds == [5]
    (tmp_path / "bad.yml").write_text("datasets: []\n")
    with pytest.raises(UserError, match=r"bad\.yml"):
        use_lists(folder, tmp_path / "bad.yml")
    assert read_lists(folder).seeds == [5]


def test_new_versions_leave_the_lists_to_their_users() -> None:
    """A version that changes this file would be in conflict with every project that has lists of its own."""
    shipped = (PROJECT / BENCHMARK_LISTS).read_bytes()
    assert hashlib.sha256(shipped).hexdigest() == "b0c1b22fc21e195c0b2c530c8815dcfb12828b836256b2f27e48de3d9d9f2b1d"


def test_lists_of_ones_own_stay_when_a_new_version_is_merged(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=someone", "-c", "user.email=someone@example.org")
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True)

    shipped = "benchmarks/lists/classes.yml"
    project(tmp_path, (PROJECT / BENCHMARK_LISTS).read_text())
    (tmp_path / shipped).parent.mkdir(parents=True)
    (tmp_path / shipped).write_text((PROJECT / shipped).read_text())
    git("init", "-b", "main")
    git("add", "-A")
    git("commit", "-m", "a version")
    git("checkout", "-b", "mine")
    own = tmp_path / "benchmarks/lists/own/roads.yml"
    own.parent.mkdir()
    own.write_text(GOOD)
    use_lists(tmp_path, own)
    git("add", "-A")
    git("commit", "-m", "my lists")
    git("checkout", "main")
    (tmp_path / shipped).write_text(GOOD)
    git("commit", "-am", "the next version")
    git("checkout", "mine")
    git("merge", "main")
    assert read_lists(tmp_path).datasets == ["a", "b"]
    assert own.read_text() == (tmp_path / shipped).read_text() == GOOD


def test_names_that_every_yaml_takes_for_text_are_found_without_asking_dvc(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DVC's parser takes a tenth of a second for a file, for every name anew."""
    lists = read_lists(project(tmp_path, GOOD.replace("[a, b]", "[a, '0o17']")))
    for file, blocks in {
        "parameters_datasets.yml": "datasets: {a: {}, 0o17: {}}",
        "parameters_base_models.yml": "base_models: {unet: {}}",
        "parameters_refiners.yml": "refiners: {prn: {}, bias_field: {}}",
    }.items():
        (tmp_path / "conf/base" / file).write_text(blocks)
    asked: list[Path] = []
    parse = lists_module.parse_yaml

    def counted(text: str, path: Path) -> object:
        asked.append(path)
        return parse(text, path)

    monkeypatch.setattr(lists_module, "parse_yaml", counted)
    (message,) = unknown_names(lists, tmp_path)
    assert (
        message
        == "DVC does not find data set '0o17' in conf/base/parameters_datasets.yml: write '0o17' in quotes there"
    )
    assert asked == [tmp_path / "conf/base/parameters_datasets.yml"]
