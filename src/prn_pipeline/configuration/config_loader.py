"""Kedro's config loader, which checks parameters as soon as it has loaded them."""

from __future__ import annotations

import copy
import io
import os
from pathlib import Path
from typing import Any

from kedro.config import MissingConfigException, OmegaConfigLoader

from prn_pipeline.configuration.configuration_errors import UNREADABLE, configuration_error
from prn_pipeline.configuration.parameters import RUN_NAMES
from prn_pipeline.configuration.resolved_run import resolve_run
from prn_pipeline.configuration.secret_parameters import refuse_secrets
from prn_pipeline.configuration.text_names import names_as_text
from prn_pipeline.errors import UserError

#: Parameters that cannot change the outputs of a DVC stage, so DVC stages read them from conf/local too.
UNTRACKED = ("engine", "checkpoints", "predictor", "promotion")

#: Kinds of configuration that several callers ask for.
READ_ONCE = ("parameters", "mlflow")


class _TextNames:
    """A file system in which the names in YAML files are text."""

    def __init__(self, files: Any) -> None:
        self._files = files
        self.opened: Path | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._files, name)

    def open(self, path: str, *arguments: Any, **options: Any) -> io.BytesIO:
        """The file's content."""
        self.opened = Path(path)
        with self._files.open(path, *arguments, **options) as file:
            return io.BytesIO(names_as_text(file.read().decode("utf8")).encode("utf8"))


class RunConfigLoader(OmegaConfigLoader):
    """Adds `run`, the validated choice of data set, base model and refiner, to the parameters.

    Names are text, whatever YAML takes them for. A DVC stage reads its parameters from conf/base only: a file that DVC
    does not track must not change its outputs.

    Parameters and MLflow's settings, which the hooks and Kedro ask for in turn, are read once.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._read: dict[str, dict[str, Any]] = {}
        super().__init__(*arguments, **options)

    @property
    def _fs(self) -> Any:
        """Where Kedro reads files; it sets this before it reads the first."""
        return self._files

    @_fs.setter
    def _fs(self, files: Any) -> None:
        self._files = _TextNames(files)

    def __getitem__(self, key: str) -> dict[str, Any]:
        """Configuration of one kind; parameters are complete and valid.

        Raises:
            UserError: a file cannot be read, a parameter is wrong, or the parameters and the catalog's paths name
                different runs.
        """
        if key in self._read and key not in self:  # a value that was set goes before
            return copy.deepcopy(self._read[key])
        try:
            checked = self._checked(key)
        except MissingConfigException:
            raise
        except UNREADABLE as error:
            raise configuration_error(
                error, key, Path(self.conf_source), self._files.opened, self.runtime_params or {}
            ) from error
        if key in READ_ONCE:
            self._read[key] = copy.deepcopy(checked)
        return checked

    def _checked(self, key: str) -> dict[str, Any]:
        loaded: dict[str, Any] = super().__getitem__(key)
        if key != "parameters" or "run" in loaded:
            return loaded
        if "DVC_STAGE" in os.environ:
            loaded = self._tracked_by_dvc() | {k: loaded[k] for k in UNTRACKED if k in loaded}
        refuse_secrets(loaded)
        checked = resolve_run(loaded, self.runtime_params or {})
        named = {**super().__getitem__("globals"), **(self.runtime_params or {})}
        for name in RUN_NAMES:
            used = checked["run"]["names"][name]
            if str(named[name]) != str(used):  # compared as text, as in paths: seed 1.0 and seed 1 are two folders
                raise UserError(
                    f"parameter {name} is {used!r}, but the catalog's paths follow {named[name]!r}: write"
                    f" {used!r} in conf/local/globals.yml or with --params, not in a parameters file"
                )
        return checked

    def _tracked_by_dvc(self) -> dict[str, Any]:
        """Parameters of conf/base and of the command line."""
        environment, self.env = self.env, self.base_env
        try:
            return dict(super().__getitem__("parameters"))
        finally:
            self.env = environment
