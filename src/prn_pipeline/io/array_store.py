"""Stores of arrays in the catalog."""

from dataclasses import replace
from typing import Any

from kedro.io import AbstractDataset

from prn_pipeline.data.execution.deferred_arrays import DeferredArrays, write_deferred_arrays
from prn_pipeline.data.store.array_store import ArrayStore, ArrayStream, write_arrays
from prn_pipeline.data.store.locations import location
from prn_pipeline.layout.addresses import ADDRESS, address, check_address


class ArrayStoreDataset(AbstractDataset[ArrayStream | DeferredArrays, ArrayStore]):
    """Saves an `ArrayStream` batch by batch, or `DeferredArrays` by several processes; loads an `ArrayStore`."""

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = location(filepath)
        self.metadata = metadata

    def save(self, data: ArrayStream | DeferredArrays) -> None:
        """Write the arrays; the old store stays until the new one is complete."""
        data = replace(data, attributes={**data.attributes, **address(self._filepath)})
        if isinstance(data, DeferredArrays):
            write_deferred_arrays(self._filepath, data)
        else:
            write_arrays(self._filepath, data)

    def load(self) -> ArrayStore:
        """Open the store."""
        store = ArrayStore(self._filepath)
        check_address(self._filepath, store.attributes.get(ADDRESS))
        return store

    def _exists(self) -> bool:
        return (self._filepath / "zarr.json").is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}
