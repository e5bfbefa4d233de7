"""Parameters are merged as documented, and an error for a wrong one names its key, its value and a remedy."""

import copy
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from kedro.framework.startup import bootstrap_project

from prn_pipeline.configuration.config_loader import RunConfigLoader
from prn_pipeline.configuration.model_checks import check_inputs
from prn_pipeline.configuration.resolved_run import resolve_run
from prn_pipeline.configuration.split_checks import check_split, check_train, check_val
from prn_pipeline.errors import UserError

PROJECT = Path(__file__).resolve().parents[2]


def load(**runtime: Any) -> dict[str, Any]:
    return loader_of(**runtime)["parameters"]


def loader_of(**runtime: Any) -> RunConfigLoader:
    bootstrap_project(PROJECT)
    from prn_pipeline import settings

    return RunConfigLoader(str(PROJECT / "conf"), env="base", runtime_params=runtime, **_arguments(settings))


def _arguments(settings: Any) -> dict[str, Any]:
    return {key: value for key, value in copy.copy(settings.CONFIG_LOADER_ARGS).items() if key != "default_run_env"}


def test_the_defaults_are_complete_and_select_the_embedded_data_set() -> None:
    run = load()["run"]
    assert run["names"] == {
        "dataset": "synthetic_roads",
        "base_model": "unet_resnet18_small",
        "refiner": "prn",
        "seed": 0,
    }
    assert run["base_training"]["gradient_clip"] == 1.0, "the default of the pydantic model, which no YAML file sets"


def test_parameters_are_read_once_and_each_caller_has_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    loader = loader_of()
    first = loader["parameters"]
    monkeypatch.setattr(loader, "_checked", lambda key: pytest.fail(f"{key} is read again"))
    first["run"]["names"]["seed"] = 7
    assert loader["parameters"]["run"]["names"]["seed"] == 0


def test_a_dvc_stage_reads_only_parameters_without_effect_on_results_from_conf_local(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(PROJECT / "conf" / "base", tmp_path / "base")
    (tmp_path / "local").mkdir()
    (tmp_path / "local/parameters_prn_training.yml").write_text("prn_training: {epochs: 2}\n")
    (tmp_path / "local/parameters.yml").write_text("engine: {kind: dask, workers: 3}\n")
    bootstrap_project(PROJECT)
    from prn_pipeline import settings

    def loaded(dataset: str = "drive") -> dict[str, Any]:
        loader = RunConfigLoader(
            str(tmp_path), env="local", runtime_params={"dataset": dataset}, **_arguments(settings)
        )
        return loader["parameters"]

    by_hand = loaded()
    monkeypatch.setenv("DVC_STAGE", "prn_training@drive-unet_resnet18_small-prn-0")
    stage = loaded()
    assert by_hand["run"]["prn_training"]["epochs"] == 2
    assert stage["run"]["prn_training"]["epochs"] == load(dataset="drive")["run"]["prn_training"]["epochs"] != 2
    assert stage["engine"] == by_hand["engine"] == {"kind": "dask", "workers": 3}


def test_training_blocks_of_the_command_line_override_those_of_the_chosen_names() -> None:
    run = load(refiner="prn_paper", prn_training={"schedule": "constant"}, base_training={"epochs": 3})["run"]
    assert run["prn_training"]["schedule"] == "constant", "the refiner's own block has plateau"
    assert run["prn_training"]["batch_size"] == load(refiner="prn_paper")["run"]["prn_training"]["batch_size"]
    assert run["base_training"]["epochs"] < load()["run"]["base_training"]["epochs"], "the base model has its own block"


def test_an_environment_variable_set_to_an_empty_string_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PRN_DATA_ROOT", raising=False)
    unset = load()["ingestion"]["data_root"]
    monkeypatch.setenv("PRN_DATA_ROOT", "")
    assert load()["ingestion"]["data_root"] == unset
    monkeypatch.setenv("PRN_DATA_ROOT", "/mine")
    assert load()["ingestion"]["data_root"] == "/mine"


@pytest.mark.parametrize(
    ("base_model", "keep", "inputs"),
    [
        ("unet_resnet18_small", ["tta"], ["tta", "images"]),
        ("unet_resnet18_small", [], ["images"]),
        ("external", ["tta"], ["images"]),
        ("wnet_flips", ["tta"], ["tta", "images"]),
        ("isnet_both", ["tta"], ["images", "several_maps"]),
    ],
)
def test_a_refiner_reads_what_the_base_model_has_of_its_inputs_if_available(
    base_model: str, keep: list[str], inputs: list[str]
) -> None:
    runtime = {"base_model": base_model, "refiner": "prn", "logit_caching": {"keep": keep}}
    parameters = load(**runtime)
    assert parameters["run"]["refiner"]["inputs"] == inputs
    check_inputs(parameters)


@pytest.mark.parametrize(
    ("base_model", "caching", "inputs"),
    [
        ("unet_resnet18_small", {"keep": ["tta"], "tta_scales": [0.75]}, ["tta", "tta_scales", "images"]),
        ("unet_resnet18_small", {"keep": ["tta"], "tta_scales": []}, ["tta", "images"]),
        ("unet_resnet18_small", {"keep": [], "tta_scales": [0.75]}, ["images"]),
        ("isnet_both", {"keep": ["tta"], "tta_scales": [0.75]}, ["images", "several_maps"]),
    ],
)
def test_other_scales_are_available_with_tta_of_a_network(
    base_model: str, caching: dict[str, Any], inputs: list[str]
) -> None:
    parameters = load(base_model=base_model, refiner="trees_scales", logit_caching=caching)
    assert parameters["run"]["refiner"]["inputs"] == inputs
    check_inputs(parameters)


@pytest.mark.parametrize(
    ("base_model", "caching", "message"),
    [
        ("unet_resnet18_small", {"tta_scales": []}, r"logit_caching.tta_scales is \[\]: list scales .* \[0.75, 1.25\]"),
        ("unet_resnet18_small", {"keep": []}, r"logit_caching.keep is \[\]: add tta to it"),
        ("external", {}, "reads tta_scales, which .* does not have: use refiner=prn_maps"),
    ],
)
def test_a_refiner_of_other_scales_says_what_they_need(base_model: str, caching: dict[str, Any], message: str) -> None:
    reading = {"refiner": "trees", "refiners": {"trees": {"inputs": ["tta_scales"], "inputs_if_available": []}}}
    parameters = load(base_model=base_model, logit_caching=caching, **reading)
    with pytest.raises(UserError, match=message):
        check_inputs(parameters)


def test_inputs_if_available_are_names_of_inputs_that_not_every_base_model_has() -> None:
    with pytest.raises(
        UserError, match=r"inputs_if_available of a refiner is \['tat'\], expected a list of tta, tta_scales, features"
    ):
        load(refiner="prn", refiners={"prn": {"inputs_if_available": ["tat"]}})


def test_a_refiner_of_several_maps_says_which_key_gives_it_them(caplog: pytest.LogCaptureFixture) -> None:
    reading = {"refiner": "prn", "refiners": {"prn": {"inputs": ["several_maps"]}}}
    with pytest.raises(UserError, match=r"reads several_maps, which .*'external'.* does not have: give it `maps: \["):
        check_inputs(load(base_model="external", **reading))
    with caplog.at_level("WARNING", logger="prn_pipeline.configuration.model_checks"):
        check_inputs(load(base_model="isnet_both", **reading))
        assert not caplog.text
        check_inputs(load(base_model="isnet_both", refiner="prn_maps"))
    assert "refiner 'prn_maps' corrects the first map of base model 'isnet_both' only" in caplog.text


def test_a_seed_that_differs_from_the_one_in_paths_is_rejected() -> None:
    with pytest.raises(UserError, match=r"seed is 1, but the catalog's paths follow 1\.0"):
        load(seed=1.0)


def test_a_name_on_the_command_line_selects_its_block() -> None:
    run = load(dataset="drive", refiner="prn_paper")["run"]
    assert run["dataset"]["ignore_region"] == "fov"
    assert run["prn_training"]["schedule"] == "plateau", "the refiner's training block overrides that of the pipeline"
    assert run["prn_training"]["augmentation"]["flips"] is True, "other keys of the pipeline's block are kept"


def test_the_training_share_of_a_data_set_scales_the_number_of_epochs() -> None:
    usual, briefer = load()["run"], load(datasets={"synthetic_roads": {"training_share": 0.35}})["run"]
    assert usual["dataset"]["training_share"] == 1
    for training in ("base_training", "prn_training"):
        assert briefer[training]["epochs"] == round(0.35 * usual[training]["epochs"]) > 1
        assert briefer[training] | {"epochs": 0} == usual[training] | {"epochs": 0}
    tiny = load(datasets={"synthetic_roads": {"training_share": 0.001}})["run"]
    assert tiny["base_training"]["epochs"] == 1


@pytest.mark.parametrize("key", ["dataset", "base_model", "refiner"])
def test_the_error_for_an_unknown_name_lists_the_known_ones(key: str) -> None:
    with pytest.raises(UserError, match=f"unknown {key} 'nonsense'") as caught:
        load(**{key: "nonsense"})
    known = load()[f"{key}s"]
    assert all(name in str(caught.value) for name in known)


def test_the_error_for_a_misspelt_name_suggests_the_closest_one() -> None:
    with pytest.raises(UserError, match="did you mean 'epfl_roads'"):
        load(dataset="epfl_road")


@pytest.mark.parametrize(
    ("runtime", "message"),
    [
        ({"datset": "drive"}, r"datset = 'drive': no such parameter; did you mean 'dataset'"),
        ({"prn_training": {"epoch": 3}}, r"prn_training.epoch = 3: no such parameter; did you mean 'epochs'"),
        (
            {"datasets": {"mine": {"split": {"train": "a.txt"}}}, "dataset": "mine"},
            r"datasets.mine.split = \{'train': 'a.txt'\}: its key 'method' is missing",
        ),
        ({"prn_training": {"epochs": "many"}}, r"prn_training.epochs = 'many': .*integer"),
        ({"base_training": {"augmentation": {"flip": True}}}, r"augmentation.flip = True.*did you mean 'flips'"),
        ({"evaluation": {"resolution": "huge"}}, r"evaluation.resolution = 'huge': .*'model' or 'native'"),
        ({"seed": -1}, r"seed = -1"),
        ({"refiner": "prn_paper", "refiners": {"prn_paper": {"grid": 5}}}, r"refiners.prn_paper.grid = 5"),
        (
            {"base_models": {"unet_resnet18_small": {"classes": 3}}},
            r"unet_resnet18_small sets classes, which the data set determines",
        ),
        ({"refiners": {"prn": {"image_channels": 4}}}, r"prn sets image_channels, which the data set determines"),
        ({"refiners": {"prn": {"widht": 5}}}, r"refiners.prn.widht = 5: no such parameter; there are"),
        ({"refiners": {"prn": {"inputs": ["image"]}}}, r"refiners.prn.inputs"),
        (
            {"refiners": {"prn": {"network": "unet"}}},
            r"unknown refiner network 'unet'; there are patch_refine_net, region_detail",
        ),
        (
            {"refiners": {"prn": {"region_size": 24}}},
            r"refiner 'prn' needs maps whose sides are multiples of 48, but image_size is 64: use 48 or 96",
        ),
        ({"prn_training": {"augmentation": {"crop": 40}}}, r"multiples of 16, but the crop .* is 40: use 32 or 48"),
        ({"datasets": {"synthetic_roads": {"image_sise": 5}}}, r"did you mean 'image_size'"),
        (
            {"datasets": {"synthetic_roads": {"image_size": [64, 72]}}},
            r"patch_size is 16, which does not divide .*image_size = 64x72; use one of 4, 8$",
        ),
        (
            {"datasets": {"synthetic_roads": {"image_size": [64, 72]}}, "pseudo_labelling": {"patch_size": 8}},
            r"multiples of 16, but image_size is 72: use 64 or 80",
        ),
        (
            {"datasets": {"synthetic_roads": {"image_size": {"short_side": 80}}}},
            r"image_size = \{'short_side': 80\}: .*a number, such as 256, `\{long_side: 512\}`, or `\[height, width\]`",
        ),
        (
            {
                "base_models": {"unet_resnet18_small": {"input_size": 96}},
                "base_training": {"augmentation": {"crop": 64}},
            },
            r"crop is 64, but base model 'unet_resnet18_small' sees images at input_size = 96",
        ),
        (
            {"pseudo_labelling": {"patch_size": 48}},
            r"patch_size is 48, which does not divide .*= 64; use one of 4, 8, 16",
        ),
    ],
)
def test_the_error_for_a_wrong_parameter_names_it(runtime: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        load(**runtime)


BLOCKS = [
    (choice, name)
    for choice in ("dataset", "base_model", "refiner")
    for name in yaml.safe_load((PROJECT / f"conf/base/parameters_{choice}s.yml").read_text())[f"{choice}s"]
]


@pytest.mark.parametrize(("choice", "name"), BLOCKS)
def test_every_named_block_in_the_configuration_is_valid_and_chosen_by_its_name(choice: str, name: str) -> None:
    assert load(**{choice: name})["run"]["names"][choice] == name


def test_the_error_for_a_missing_section_names_only_that_section() -> None:
    incomplete = {key: value for key, value in load().items() if key not in ("run", "promotion")}
    with pytest.raises(UserError) as caught:
        resolve_run(incomplete)
    assert str(caught.value) == "parameters are wrong:\n  promotion: missing"


@pytest.mark.parametrize(
    ("choice", "groups", "message"),
    [
        ({}, 2, r"'prn' .*'synthetic_roads' has 2 groups of images there, 3 are needed.*or lower `members`"),
        ({"refiner": "prn_paper"}, 1, r"maps of val .* has 1 group of images there, 2 are needed.*crossfit$"),
    ],
)
def test_a_refiner_needs_maps_to_learn_from_and_others_to_be_evaluated_on(
    choice: dict[str, Any], groups: int, message: str
) -> None:
    checked = load(**choice)
    with pytest.raises(UserError, match=message):
        check_val(checked, {"train": 9, "val": groups})
    check_val(checked, {"train": 9, "val": groups + 1})


def test_maps_outside_val_are_out_of_sample_too_under_crossfit_and_from_models_trained_elsewhere() -> None:
    groups, external = {"train": 9, "val": 1, "test": 9}, {"base_model": "external", "refiner": "prn_maps"}
    with pytest.raises(UserError, match="has 1 group"):
        check_val(load(), groups)
    check_val(load(logit_caching={"protocol": "crossfit"}), groups)
    check_val(load(**external), groups)
    with pytest.raises(UserError, match=r"maps of train and val .* has 1 group"):
        check_val(load(**external), {"val": 1, "test": 9})
    with pytest.raises(UserError, match=r"maps of val .* has 1 group"):
        check_val(load(**external, base_models={"external": {"seen": ["train"]}}), groups)


WITHOUT_TRAIN = [
    {"method": "ratio", "val": 0.5, "test": 0.5},
    {"method": "lists", "train": None, "val": "val.txt", "test": "test.txt"},
    {"method": "folders", "train": None, "val": "val"},
]


@pytest.mark.parametrize("split", WITHOUT_TRAIN, ids=lambda split: split["method"])
def test_train_may_be_empty_where_the_base_model_is_not_trained_here(split: dict[str, Any]) -> None:
    chosen = {"dataset": "mine", "datasets": {"mine": {"split": split}}}
    check_split(load(**chosen, base_model="external", refiner="prn_maps"))
    trained_here = load(**chosen)  # no error yet: ingestion does not care which base model is the default
    with pytest.raises(UserError, match="is trained here, but the train split of data set 'mine' is empty"):
        check_split(trained_here)
    check_split(load())


def test_an_empty_train_split_of_given_files_is_refused_for_a_base_model_that_is_trained_here() -> None:
    with pytest.raises(UserError, match=r"'unet_resnet18_small' is trained here, .*'synthetic_roads' is empty"):
        check_train(load(), 0)
    check_train(load(), 1)
    check_train(load(base_model="external", refiner="prn_maps"), 0)


def test_a_model_from_elsewhere_has_seen_no_image_unless_the_settings_say_so() -> None:
    module = {"kind": "module", "target": "torch.nn:Identity"}

    def seen(**block: Any) -> list[str]:
        return load(base_model="mine", base_models={"mine": module | block})["run"]["base_model"]["seen"]

    assert load(base_model="external", refiner="prn_maps")["run"]["base_model"]["seen"] == []
    assert seen() == []
    assert seen(seen=["train", "val"]) == ["train", "val"]
    assert seen(train=True) == ["train"]


def test_a_tilde_in_a_variable_is_the_users_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PRN_DATA_ROOT", "~/x")
    assert load()["ingestion"]["data_root"] == str(tmp_path / "x")
