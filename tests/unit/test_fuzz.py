"""Strange settings and damaged own files are read or refused: `benchmarks.fuzz` tries the same at length."""

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.fuzz import KINDS, Case, fuzz, outcome
from prn_pipeline.configuration.config_loader import RunConfigLoader
from prn_pipeline.configuration.loader_arguments import LOADER_ARGS
from prn_pipeline.data.readers.array_files import read_array
from prn_pipeline.errors import UserError
from prn_pipeline.serving.journal import NAME, Journal
from tests.unit.test_parameters import PROJECT, load

#: Cases of each kind; those that load the whole configuration take a tenth of a second.
COUNTS = {"parameter_cases": 25, "yaml_cases": 25}


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Damaged records are warned of, by the hundred."""
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_no_input_ends_in_a_traceback(kind: Any) -> None:
    count = COUNTS.get(kind.__name__, 300)
    found = fuzz(kind, count, seed=1)
    assert len(found) == count
    assert [(case.what, of) for case, of in found if of not in ("read", "refused")] == []
    assert any(of == "refused" for _, of in found)


def test_a_reader_that_ends_in_a_traceback_is_found_out() -> None:
    assert outcome(Case("", "", lambda: {}["x"])) == "KeyError: 'x'"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"refiner": "${x}"}, r"--params: refiner: Interpolation key 'x' not found"),
        ({"base_training": 5}, r"base_training = 5"),
        ({"base_models": {"unet_resnet18_small": {"training": 5}}}, r"base_models.unet_resnet18_small.training is 5"),
        ({"promotion": [1]}, r"promotion is a list"),
        ({"seed": "${oc.env:NO_SUCH}"}, r"--params: seed: .*NO_SUCH"),
    ],
)
def test_a_strange_parameter_is_named_with_where_it_stands(given: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        load(**given)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"evaluation: {resolution: mod\xe9le}", r"parameters_evaluation.yml: 'utf-8' codec .* save it as UTF-8"),
        (b"evaluation: !!set {a, b}", r"parameters_evaluation.yml: evaluation: Value 'set' is not .* plain YAML"),
        (
            b"evaluation: {resamples: !!timestamp 2018-01-01}",
            r"parameters_evaluation.yml: evaluation.resamples: Value 'date'",
        ),
        (b"evaluation:\n  resamples: ${x}", r"parameters_evaluation.yml: evaluation.resamples: Interpolation key 'x'"),
        (b"evaluation: \x00", r"parameters_evaluation.yml: unacceptable character"),
        (b"evaluation: &a [*a]", r"parameters_evaluation.yml"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(content: bytes, message: str, tmp_path: Path) -> None:
    shutil.copytree(PROJECT / "conf/base", tmp_path / "base")
    (tmp_path / "base/parameters_evaluation.yml").write_bytes(content)
    load()  # registers the resolvers
    arguments = LOADER_ARGS | {"default_run_env": "base"}
    with pytest.raises(UserError, match=message) as caught:
        _ = RunConfigLoader(str(tmp_path), env="base", **arguments)["parameters"]
    assert "\n" not in str(caught.value)


def test_several_arrays_in_a_file_that_is_named_as_one_are_refused_with_the_remedy(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", a=np.zeros((4, 4)))
    (tmp_path / "a.npz").rename(tmp_path / "a.npy")
    with pytest.raises(UserError, match=r"a.npy: holds named arrays as an .npz file does: name it a.npz"):
        read_array(tmp_path / "a.npy")


@pytest.mark.parametrize("line", ["[]", "5", "null", '{"name": []}', "[" * 100_000])
def test_a_line_of_a_journal_of_another_shape_is_refused_with_the_file(line: str, tmp_path: Path) -> None:
    (tmp_path / NAME).write_text(f'{{"model": "a"}}\n{line}\n')
    with pytest.raises(UserError, match=rf"{NAME} is damaged .*--overwrite"):
        Journal(tmp_path, {"model": "a"})
