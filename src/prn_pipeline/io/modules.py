"""Trained modules in the catalog: safetensors and json, no pickle."""

from __future__ import annotations

import pkgutil
from typing import TYPE_CHECKING, Any

from kedro.io import AbstractDataset

from prn_pipeline.data.store.atomic import atomic_write
from prn_pipeline.data.store.locations import is_complete, location
from prn_pipeline.errors import UserError
from prn_pipeline.layout.addresses import address
from prn_pipeline.layout.origins import rerun

if TYPE_CHECKING:  # Kedro makes every entry of the catalog in every run
    from torch import nn


class ModuleDataset(AbstractDataset["nn.Module", "nn.Module"]):
    """One module: weights at `filepath` (.safetensors), settings in the .json file beside it.

    `rebuild` names the function that builds the module from its settings: `package.module:function`.
    """

    def __init__(self, *, filepath: str, rebuild: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = location(filepath)
        self._rebuild = pkgutil.resolve_name(rebuild)
        self.metadata = metadata

    def save(self, data: nn.Module) -> None:
        """Write weights and settings."""
        from prn_pipeline.training.module_files import save_module

        settings = data.settings.model_dump(mode="json")  # type: ignore[union-attr, operator]
        save_module(self._filepath, data, settings, address(self._filepath))

    def load(self) -> nn.Module:
        """Rebuild the module, in eval mode."""
        from prn_pipeline.training.module_files import load_module

        return load_module(self._filepath, self._rebuild)

    def _exists(self) -> bool:
        return self._filepath.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}


class ModuleFolderDataset(AbstractDataset["dict[str, nn.Module]", "dict[str, nn.Module]"]):
    """Modules by name in one folder. It may hold none; a note in the folder explains that."""

    NOTE = "README.txt"

    def __init__(self, *, filepath: str, rebuild: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = location(filepath)
        self._rebuild = pkgutil.resolve_name(rebuild)
        self.metadata = metadata

    def save(self, data: dict[str, nn.Module]) -> None:
        """Replace the folder by these modules."""
        from prn_pipeline.training.module_files import save_module

        with atomic_write(self._filepath) as temporary:
            temporary.mkdir()
            (temporary / self.NOTE).write_text(
                f"{len(data)} models: one per fold with protocol crossfit, none with holdout.\n"
            )
            for name, module in data.items():
                settings = module.settings.model_dump(mode="json")  # type: ignore[union-attr, operator]
                file = f"{name}.safetensors"
                save_module(temporary / file, module, settings, address(self._filepath / file))

    def load(self) -> dict[str, nn.Module]:
        """Rebuild all modules, in eval mode."""
        from prn_pipeline.training.module_files import load_module

        if not self._exists():
            raise UserError(f"no models at {self._filepath}: {rerun(self._filepath)}")
        names = {file.stem for file in self._filepath.iterdir() if file.suffix in (".safetensors", ".json")}
        note = (self._filepath / self.NOTE).read_bytes()
        if not note.startswith(b"%d models:" % len(names)):
            raise UserError(
                f"{self._filepath} has {len(names)} models, and its {self.NOTE} says {note[:11]!r}: some are missing;"
                f" {rerun(self._filepath)}"
            )
        return {name: load_module(self._filepath / f"{name}.safetensors", self._rebuild) for name in sorted(names)}

    def _exists(self) -> bool:
        return is_complete(self._filepath) and (self._filepath / self.NOTE).is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}
