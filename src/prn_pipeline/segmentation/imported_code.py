"""Who may name code that `kind: module` imports: the configuration of a run, stored settings, a predictor's folder."""

from __future__ import annotations

import inspect
import os
import typing
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from typing import Any

from prn_pipeline.errors import UserError

#: Environment variable that lists what predictors may import, separated by commas.
VARIABLE = "PRN_ALLOWED_MODULES"
#: Targets that the configuration of this process names.
_configured: set[str] = set()
#: Where settings come from: None, the configuration; (), stored by a stage; else what the user lets a predictor import.
_source: ContextVar[tuple[str, tuple[str, ...]] | None] = ContextVar("source", default=None)
_STORED = "stored"
_PREDICTOR = "predictor"


def configure(targets: Iterable[str]) -> None:
    """Name the targets of the configuration: what the user wrote there may also be read from stored settings."""
    _configured.update(targets)


@contextmanager
def stored_settings() -> Iterator[None]:
    """Until the block ends, settings were read from a file, from anywhere: their targets are classes of modules."""
    with _from(_source.get() or (_STORED, ())):
        yield


@contextmanager
def predictor_settings(allowed: Iterable[str]) -> Iterator[None]:
    """Until the block ends, settings come from a predictor, and import only what the user allows.

    Args:
        allowed: packages, modules or targets, such as my_package, my_package.nets or my_package.nets:Net; in addition
            to the environment variable `VARIABLE` and the configuration of this process.
    """
    listed = [allowed] if isinstance(allowed, str) else list(allowed)
    listed += os.environ.get(VARIABLE, "").split(",")
    with _from((_PREDICTOR, tuple(filter(None, map(str.strip, listed))))):
        yield


def factory_of(target: str) -> Callable[..., Any]:
    """The class or function `package.module:name`, which has not been called, and whose module the source may import.

    Raises:
        UserError: the source may not import it, it cannot be imported, or it is no class of modules.
    """
    from torch import nn

    source = _source.get()
    if source is not None and source[0] == _PREDICTOR:
        _require_allowed(target, source[1])
    found = _imported(target)
    if inspect.isclass(found):
        if not issubclass(found, nn.Module):
            raise UserError(
                f"{target} is the class {found.__module__}.{found.__qualname__}, expected a torch.nn.Module: correct"
                " `target`. It was not called"
            )
    elif not callable(found):
        raise UserError(f"{target} is a {type(found).__name__}, expected a class of torch.nn.Module: correct `target`")
    elif source is not None and target not in _configured and not _makes_modules(found):
        raise UserError(
            f"{target}, which stored settings name, is no class of torch.nn.Module. It was not called. If it is a"
            " function of yours that returns one, annotate it (`-> torch.nn.Module`), or write it as a class"
        )
    elif source is not None and source[0] == _PREDICTOR and target not in _configured and target not in source[1]:
        raise UserError(
            f"{target}, which the predictor names, is a function. It was not called. A function must be allowed by its"
            f" full name: {_remedy(target)}"
        )
    return found


@contextmanager
def _from(source: tuple[str, tuple[str, ...]]) -> Iterator[None]:
    token = _source.set(source)
    try:
        yield
    finally:
        _source.reset(token)


def _require_allowed(target: str, allowed: tuple[str, ...]) -> None:
    module = target.partition(":")[0]
    if target in _configured or target in allowed:
        return
    if not any(":" not in entry and f"{module}.".startswith(f"{entry}.") for entry in allowed):
        raise UserError(
            f"the predictor imports {target}, and importing runs code that is not in its folder. Nothing was imported."
            f" If you know the predictor's origin and trust this code, allow it: {_remedy(module)}. docs/security.md"
            " explains what a predictor can do"
        )


def _remedy(entry: str) -> str:
    return (
        f"`--allow-module {entry}`, or `allow_modules=[{entry!r}]` of Predictor.load, or for a server"
        f" {VARIABLE}={entry} in its environment"
    )


def _imported(target: str) -> Any:
    package, _, name = target.partition(":")
    try:
        found: Any = import_module(package)
        for attribute in name.split("."):
            found = getattr(found, attribute)
    except AttributeError as error:
        raise UserError(f"{target}: {error}; correct `target`, package.module:Class") from error
    except Exception as error:  # the imported code may raise anything
        raise UserError(
            f"{target} cannot be imported ({error}): install its package into this environment, or put its folder on"
            " PYTHONPATH"
        ) from error
    return found


def _makes_modules(function: Any) -> bool:
    """Whether a function says that it returns a module."""
    from torch import nn

    try:
        returned = typing.get_type_hints(function).get("return")
    except Exception:  # annotations may name anything
        return False
    return inspect.isclass(returned) and issubclass(returned, nn.Module)
