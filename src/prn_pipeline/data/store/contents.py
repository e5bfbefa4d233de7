"""The description of an array store, written last: it lists all files, so that lost and exchanged ones are noticed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from prn_pipeline.data.store.checksums import NAME, ChecksumError, digest, with_checksum, without_checksum
from prn_pipeline.data.store.locations import file_sizes
from prn_pipeline.data.store.shard_digests import digest_of_file

#: File that describes a Zarr group or array.
DESCRIPTION = "zarr.json"
#: Attribute of the group: array -> checksum of its description, and bytes and digests of its shards in order.
CONTENTS = "contents"
#: The rest of a group's description.
GROUP = {"zarr_format": 3, "node_type": "group"}


class Description(NamedTuple):
    """What the description of a store says.

    Attributes:
        attributes: facts about the arrays.
        arrays: their names.
        digests: of every shard, by its path in the store; see `shard_digests`.
    """

    attributes: dict[str, Any]
    arrays: list[str]
    digests: dict[str, str]


def write_description(store: Path, attributes: Mapping[str, Any]) -> None:
    """Describe a store whose arrays are complete.

    Args:
        store: folder with one folder per array.
        attributes: JSON-serialisable facts about the arrays.
    """
    sizes = file_sizes(store)
    contents = {}
    for name in sorted({file.partition("/")[0] for file in sizes}):
        described = (store / name / DESCRIPTION).read_bytes()
        shards = _shards(name, json.loads(described))
        contents[name] = {
            "description": digest(described),
            "bytes": [sizes[shard] for shard in shards],
            "digests": [digest_of_file(store / shard) for shard in shards],
        }
    group = {"attributes": with_checksum({**attributes, CONTENTS: contents}), **GROUP}
    (store / DESCRIPTION).write_text(json.dumps(group, indent=2))


def read_description(store: Path) -> Description:
    """The description of a store. Content of shards is checked when it is read.

    Raises:
        ChecksumError: a description has changed, a shard is missing or has another size, or there are no checksums.
        ValueError: a description is not JSON.
    """
    group = json.loads((store / DESCRIPTION).read_text())
    attributes = group.get("attributes", {})
    written = without_checksum(attributes)
    if NAME not in attributes:
        raise ChecksumError("it has no checksums: an earlier version wrote it")
    if group != {"attributes": attributes, **GROUP}:
        raise ChecksumError(f"{DESCRIPTION} is not that of a group")
    contents, sizes = written.pop(CONTENTS), file_sizes(store)
    digests: dict[str, str] = {}
    for name, recorded in contents.items():
        described = (store / name / DESCRIPTION).read_bytes() if f"{name}/{DESCRIPTION}" in sizes else b""
        if digest(described) != recorded["description"]:
            raise ChecksumError(f"{name}/{DESCRIPTION} {'has changed' if described else 'is missing'}")
        if "digests" not in recorded:
            raise ChecksumError("it has no digests of its shards: an earlier version wrote it")
        shards = _shards(name, json.loads(described))
        digests |= zip(shards, recorded["digests"], strict=True)
        for shard, size in zip(shards, recorded["bytes"], strict=True):
            if sizes.get(shard) != size:
                raise ChecksumError(
                    f"{shard} has {sizes[shard]} bytes, not {size}" if shard in sizes else f"{shard} is missing"
                )
    return Description(written, list(contents), digests)


def _shards(name: str, array: Mapping[str, Any]) -> list[str]:
    """Files of an array in order; rows alone are split into shards."""
    rows, *sample = array["shape"]
    count = -(-rows // array["chunk_grid"]["configuration"]["chunk_shape"][0])
    return [f"{name}/c/{number}{'/0' * len(sample)}" for number in range(count)]
