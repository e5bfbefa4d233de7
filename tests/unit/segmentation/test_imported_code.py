"""A target is resolved and judged before it is called; what may name it depends on where the settings come from."""

import sys
from typing import Any

import pytest
from torch import nn

from prn_pipeline.errors import UserError
from prn_pipeline.segmentation import imported_code
from prn_pipeline.segmentation.imported_code import VARIABLE, configure, predictor_settings, stored_settings
from prn_pipeline.segmentation.module_settings import ModuleSettings
from prn_pipeline.segmentation.registry import build_base_model, rebuild_base_model

HERE = __name__
CONVOLUTION = {"in_channels": 3, "out_channels": 1, "kernel_size": 1}
#: Every call of the functions below, and of the class that is no module.
CALLS: list[str] = []


def plain(**options: Any):  # type: ignore[no-untyped-def]
    CALLS.append("plain")
    return nn.Conv2d(**options)


def annotated(**options: Any) -> nn.Module:
    CALLS.append("annotated")
    return nn.Conv2d(**options)


class Other:
    def __init__(self, **_: Any) -> None:
        CALLS.append("other")


@pytest.fixture(autouse=True)
def nothing_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imported_code, "_configured", set())
    monkeypatch.delenv(VARIABLE, raising=False)
    CALLS.clear()


def described(target: str, **options: Any) -> dict[str, Any]:
    values = {"kind": "module", "target": target, "options": options or CONVOLUTION}
    return ModuleSettings.model_validate(values).model_dump(mode="json")


@pytest.mark.parametrize(
    ("target", "options"),
    [
        ("subprocess:check_output", {"args": ["touch", "{}"]}),
        ("subprocess:Popen", {"args": ["touch", "{}"]}),
        ("os:system", {"command": "touch {}"}),
        ("builtins:open", {"file": "{}", "mode": "w"}),
        ("pathlib:Path.touch", {"self": "{}"}),
        ("torch:os.mkdir", {"path": "{}"}),
    ],
)
@pytest.mark.parametrize("allowed", [None, True])
def test_stored_settings_call_nothing_but_modules(
    tmp_path: Any, target: str, options: dict[str, Any], allowed: bool | None
) -> None:
    written = tmp_path / "written"
    filled = {
        key: [one.format(written) for one in value] if isinstance(value, list) else value.format(written)
        for key, value in options.items()
    }
    values = described(target, **filled)
    source = predictor_settings([target.partition(":")[0], target]) if allowed else stored_settings()
    with source, pytest.raises(UserError, match=r"not called|expected a torch.nn.Module"):
        rebuild_base_model(values)
    assert not written.exists()


@pytest.mark.parametrize("target", ["subprocess:Popen", f"{HERE}:Other"])
def test_a_class_that_is_no_module_is_not_called_for_a_configuration_either(target: str) -> None:
    with pytest.raises(UserError, match=r"expected a torch.nn.Module: correct `target`. It was not called"):
        build_base_model(ModuleSettings.model_validate(described(target)))
    assert not CALLS


def test_a_module_that_is_not_allowed_is_not_imported() -> None:
    assert "antigravity" not in sys.modules  # imports a browser
    with predictor_settings(["my_package"]), pytest.raises(UserError) as caught:
        rebuild_base_model(described("antigravity:Net"))
    assert "antigravity" not in sys.modules
    message = str(caught.value)
    assert "the predictor imports antigravity:Net" in message
    assert "Nothing was imported" in message
    assert "`--allow-module antigravity`" in message
    assert f"{VARIABLE}=antigravity" in message
    assert "docs/security.md" in message


@pytest.mark.parametrize("entry", ["torch", "torch.nn", "torch.nn:Conv2d", "  torch.nn "])
@pytest.mark.parametrize("by_variable", [True, False])
def test_packages_modules_and_targets_can_be_allowed(
    entry: str, by_variable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if by_variable:
        monkeypatch.setenv(VARIABLE, f"other,{entry}")
    with predictor_settings([] if by_variable else ["other", entry]):
        assert rebuild_base_model(described("torch.nn:Conv2d")).runnable is not None


@pytest.mark.parametrize("entry", ["torc", "torch.n", "torch.nn:Conv", "torch.nn.functional", ""])
def test_a_part_of_a_name_allows_nothing(entry: str) -> None:
    with predictor_settings([entry]), pytest.raises(UserError, match="Nothing was imported"):
        rebuild_base_model(described("torch.nn:Conv2d"))


def test_a_single_name_is_not_taken_for_letters() -> None:
    with predictor_settings("torch.nn"):
        rebuild_base_model(described("torch.nn:Conv2d"))
    with predictor_settings("torch"), pytest.raises(UserError, match="Nothing was imported"):
        rebuild_base_model(described("h:Net"))


def test_stored_settings_of_a_project_need_no_permission_for_classes() -> None:
    assert rebuild_base_model(described("torch.nn:Conv2d")).settings.target == "torch.nn:Conv2d"


def test_functions_are_called_if_they_say_that_they_return_a_module() -> None:
    rebuild_base_model(described(f"{HERE}:annotated"))
    assert CALLS == ["annotated"]
    with pytest.raises(UserError, match=r"It was not called.*-> torch.nn.Module"):
        rebuild_base_model(described(f"{HERE}:plain"))
    assert CALLS == ["annotated"]


def test_a_predictor_calls_only_functions_that_are_allowed_by_their_full_name() -> None:
    with predictor_settings([HERE]), pytest.raises(UserError, match=r"is a function\. It was not called"):
        rebuild_base_model(described(f"{HERE}:annotated"))
    assert not CALLS
    with predictor_settings([f"{HERE}:annotated"]):
        rebuild_base_model(described(f"{HERE}:annotated"))
    with predictor_settings([f"{HERE}:plain"]), pytest.raises(UserError, match="It was not called"):
        rebuild_base_model(described(f"{HERE}:plain"))
    assert CALLS == ["annotated"]


@pytest.mark.parametrize("name", ["plain", "annotated"])
def test_what_the_configuration_names_may_be_read_back_from_stored_settings_and_predictors(name: str) -> None:
    build_base_model(ModuleSettings.model_validate(described(f"{HERE}:{name}")))
    configure([f"{HERE}:{name}"])
    rebuild_base_model(described(f"{HERE}:{name}"))
    with predictor_settings([]):
        rebuild_base_model(described(f"{HERE}:{name}"))
    assert [name] * 3 == CALLS


def test_a_configuration_allows_its_own_targets_only() -> None:
    configure(["torch.nn:Conv2d"])
    with predictor_settings([]), pytest.raises(UserError, match="Nothing was imported"):
        rebuild_base_model(described("torch.nn:Conv1d"))


def test_the_source_ends_with_its_block() -> None:
    with pytest.raises(RuntimeError), predictor_settings([]):
        raise RuntimeError
    with stored_settings():
        pass
    assert build_base_model(ModuleSettings.model_validate(described(f"{HERE}:plain"))) is not None


@pytest.mark.parametrize("target", [".os:path", "..:x", "no_such_package:Net", "torch.nn:NoSuchLayer"])
def test_a_target_that_cannot_be_found_is_a_user_error(target: str) -> None:
    with pytest.raises(UserError, match=r"cannot be imported|has no attribute"):
        build_base_model(ModuleSettings.model_validate(described(target)))


def test_a_run_lets_its_predictors_import_what_its_base_models_name() -> None:
    from types import SimpleNamespace

    from kedro.io import DataCatalog
    from kedro.pipeline import Pipeline

    from prn_pipeline.hooks import RunCheckHooks

    hooks = RunCheckHooks()
    blocks = {"own": {"kind": "module", "target": f"{HERE}:plain"}, "smp": {"architecture": "Unet"}}
    hooks.after_context_created(SimpleNamespace(params={"base_models": blocks}))  # type: ignore[arg-type]
    hooks.before_pipeline_run(Pipeline([]), DataCatalog())
    with predictor_settings([]):
        assert rebuild_base_model(described(f"{HERE}:plain")) is not None
