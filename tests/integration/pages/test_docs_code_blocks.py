"""Every code block of the README and of the pages runs, or is listed with the reason why it does not."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from myst_nb.core.read import read_myst_markdown_notebook
from nbclient import NotebookClient

from prn_pipeline.configuration.project_configuration import read_configuration
from prn_pipeline.errors import UserError
from prn_pipeline.refinement.registry import read_settings
from prn_pipeline.segmentation.registry import read_base_settings
from prn_pipeline.sweep.lists import Lists
from tests.integration.pages.blocks import NO_CODE, PROJECT, Block, blocks, commands
from tests.integration.pages.checked_commands import REASONS, check, reason
from tests.integration.pages.small_shell import PORT, SmallShell
from tests.unit.serving.running_server import running

pytestmark = [pytest.mark.slow, pytest.mark.long]

#: In this order, before any block: later ones need what these leave. Each is also a command of a page.
FIRST = (
    "prn init ~/data/my_roads",
    "kedro run --params dataset=my_roads",
    "kedro run --pipelines promotion --params dataset=my_roads",
    "prn rollback my_roads --to 1",
    "kedro run --params dataset=my_roads,base_model=external,refiner=trees",
    "kedro run --pipelines promotion --params dataset=my_roads,base_model=external,refiner=trees",
)
#: Variables that a block may set.
VARIABLES = {"PRN_DATA_ROOT", "PRN_STORAGE", "MLFLOW_TRACKING_URI"}
HERE = {"ids": lambda block: block.name}


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory, warm_path: str) -> SmallShell:
    """A reader's project after the first commands of the tutorials."""
    made = SmallShell(tmp_path_factory.mktemp("reader"), warm_path)
    for command in FIRST:
        done = made.run(command)
        assert done.returncode == 0, f"{command}\n{done.stdout}"
    return made


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Address of a server with a predictor of random weights."""
    from tests.unit.serving.conftest import random_predictor

    with running(random_predictor()) as found:
        yield f"127.0.0.1:{found.port}"


def test_every_block_is_of_a_kind_that_is_tested() -> None:
    found = {block.language for block in blocks()}
    assert found - NO_CODE == {"console", "python", "yaml"}
    assert all(FIRST[number] in map(str.strip, _all_commands()) for number in range(len(FIRST)))


def _all_commands() -> list[str]:
    return [command for block in blocks("console") for command in commands(block)]


def test_every_reason_still_has_its_command() -> None:
    used = {why for command in _all_commands() if (why := reason(command))}
    assert used == set(REASONS.values())


@pytest.mark.parametrize("block", blocks("console"), **HERE)
def test_the_commands_of_a_block_run(block: Block, shell: SmallShell, server: str) -> None:
    found = commands(block)
    assert found
    for command in found:
        if command.startswith("export "):
            assert all(name in VARIABLES or name.startswith("AWS_") for name in re.findall(r"(\w+)=", command))
        elif reason(command) is None or command in FIRST:
            done = shell.run(command.replace(PORT, server))
            assert done.returncode == 0, f"{command}\n{done.stdout}"
        else:
            check(command, shell.project)


@pytest.mark.parametrize("wrong", ["prn refine --modle x --out y", "kedro run --params refiner=treees", "make tset"])
def test_a_command_that_is_only_checked_fails_if_it_is_wrong(wrong: str, shell: SmallShell) -> None:
    with pytest.raises(Exception, match=r"modle|treees|tset"):
        check(wrong, shell.project)


def prepared(page: str) -> dict[str, Any]:
    """Names that the blocks of a page take from the reader's own program."""
    draw = np.random.default_rng(1)
    maps = draw.random((2, 64, 64), np.float32)
    known: dict[str, dict[str, Any]] = {
        "README.md": {
            "probabilities": maps,
            "masks": (maps > 0.4).astype(np.uint8),
            "probability_maps": torch.from_numpy(maps)[:, None],
            "base_logits": torch.from_numpy(maps)[:, None].logit(),
        },
        "docs/serving.md": {"scene": draw.integers(0, 256, (96, 128, 3), np.uint8)},
        "docs/tutorials/own_maps.md": {"images": {"a": maps[0]}, "model": lambda image: image},
    }
    return known.get(page, {})


#: Page -> names that its blocks of Python have given a value in the end.
RESULTS: dict[str, set[str]] = {
    "README.md": {"labels", "thresholds", "iou", "logits", "baseline"},
    "docs/security.md": {"Predictor"},
    "docs/serving.md": {"predictor", "mask", "response"},
    "docs/tutorials/own_maps.md": {"name", "image"},
    "docs/tutorials/serving.md": {"response", "mask"},
}


def test_the_results_of_every_page_with_python_are_known() -> None:
    assert {block.page for block in blocks("python")} == set(RESULTS)


@pytest.mark.parametrize("page", RESULTS)
def test_the_python_of_a_page_runs(page: str, shell: SmallShell, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shell.project)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{shell.project}/mlflow.db")
    names = prepared(page)
    for block in blocks("python"):
        if block.page == page:
            source = block.text.replace(PORT, server)
            exec(compile("\n" * block.line + source, page, "exec"), names)
    assert set(names) >= RESULTS[page]
    assert len(names.get("mask", "a mask")) > 0


def valid_settings(settings: dict[str, Any], project: Path) -> list[Any]:
    """What a block of YAML describes, validated by the models that check the configuration."""
    if all(isinstance(value, list) for value in settings.values()):
        return [Lists.model_validate(settings)]
    models = [read_base_settings(block) for block in settings.get("base_models", {}).values()]
    refiners = [read_settings(block) for block in settings.get("refiners", {}).values()]
    names = settings.get("datasets", {"synthetic_roads": {}})
    runs = [read_configuration(project, settings | {"dataset": name}).parameters["run"] for name in names]
    return [*models, *refiners, *runs]


@pytest.mark.parametrize("block", blocks("yaml"), **HERE)
def test_the_settings_of_a_block_are_valid(block: Block, shell: SmallShell) -> None:
    assert valid_settings(yaml.safe_load(block.text), shell.project)


def test_wrong_settings_are_noticed(shell: SmallShell) -> None:
    with pytest.raises(UserError, match="did you mean 'image_size'"):
        valid_settings({"datasets": {"my_roads": {"imagesize": 64}}}, shell.project)


@pytest.mark.parametrize("name", ["refine_maps", "read_results"])
def test_a_notebook_runs(name: str, shell: SmallShell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    page = PROJECT / "docs" / "notebooks" / f"{name}.md"
    notebook = read_myst_markdown_notebook(page.read_text())
    resources = {"metadata": {"path": str(shell.project)}}
    client = NotebookClient(notebook, timeout=600, kernel_name="python3", resources=resources)
    client.execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert len(outputs) >= 2
    if name == "refine_maps":
        gains = re.findall(r"^(threshold|trees).* ([\d.]+)$", outputs[-1]["data"]["text/plain"], re.MULTILINE)
        assert dict(gains)["trees"] > dict(gains)["threshold"]
