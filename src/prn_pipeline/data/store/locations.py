"""Where artefacts lie: in files, or in the objects of a bucket (s3://...), which appear whole or not at all.

An object is replaced in one step, but nothing renames a folder of them. So what says that a folder is whole is written
last and removed first: the description of an array store, an empty object `_SUCCESS` in any other folder. A killed run
leaves objects that nobody takes for an artefact, and the next run removes them.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import zarr
from zarr.storage import FsspecStore

from prn_pipeline.errors import UserError

#: Last object of a folder.
MARKER = "_SUCCESS"
#: Other processes write too: a listing is old as soon as it is made.
OPTIONS = {"use_listings_cache": False}


def location(text: str) -> Path:
    """A path, or of a URL such as s3://bucket/folder/name what has the methods of one.

    Raises:
        UserError: the library for it is not installed, or the bucket cannot be reached.
    """
    if "://" not in text:
        return Path(text)
    protocol, _, rest = text.partition("://")
    _check_bucket(protocol, rest.partition("/")[0])
    from upath import UPath

    return cast(Path, cast(Any, UPath)(text, **OPTIONS))


@functools.cache
def _check_bucket(protocol: str, bucket: str) -> None:
    try:
        from upath import UPath

        cast(Any, UPath)(f"{protocol}://{bucket}", **OPTIONS).stat()
    except FileNotFoundError as error:
        raise UserError(
            f"there is no bucket {protocol}://{bucket}, or these credentials may not see it: create it"
        ) from error
    except (ImportError, ValueError) as error:
        raise UserError(
            f"{protocol}://{bucket} cannot be used ({error}): pip install -e '.[s3]' for s3://, or use a local folder"
        ) from error
    except PermissionError:
        return  # of the bucket as a whole; what may be done below the folder, the first access to it says
    except Exception as error:  # of whichever library talks to the storage
        raise UserError(
            f"{protocol}://{bucket} cannot be reached ({type(error).__name__}: {error}): check AWS_ACCESS_KEY_ID,"
            " AWS_SECRET_ACCESS_KEY (or AWS_PROFILE), AWS_ENDPOINT_URL and the network"
        ) from error


def is_remote(path: Path) -> bool:
    """Whether it is a place in a bucket."""
    return not isinstance(path, Path)


def is_complete(path: Path) -> bool:
    """Whether there is a file, or a folder that was written to its end; array stores have `zarr.json` for that."""
    return path.is_file() or (path / MARKER).is_file() if is_remote(path) else path.exists()


@contextmanager
def local_copy(path: Path) -> Iterator[Path]:
    """A file or folder as one of this machine, for as long as the context lasts."""
    if not is_remote(path):
        yield path
        return
    with TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        cast(Any, path).fs.get(str(path), str(copy), recursive=not path.is_file())
        yield copy


@contextmanager
def uploading(path: Path) -> Iterator[Path]:
    """`atomic.atomic_write` for a bucket: gives a local path, whose file or folder replaces what is at `path`."""
    with TemporaryDirectory() as folder:
        made = Path(folder) / path.name
        yield made
        put = cast(Any, path).fs.put_file
        if made.is_file():
            put(str(made), str(path))
            return
        remove(path, MARKER)
        for file in sorted(file for file in made.rglob("*") if file.is_file()):
            put(str(file), str(path / file.relative_to(made).as_posix()))
        (path / MARKER).write_bytes(b"")


@contextmanager
def described_last(path: Path, attributes: dict[str, Any]) -> Iterator[None]:
    """An array store in a bucket: its arrays are written within the context, its description after it."""
    remove(path, "zarr.json")
    try:
        yield
        zarr.create_group(zarr_store(path), attributes=attributes)
    except BaseException:
        remove(path, "zarr.json")
        raise


def remove(path: Path, first: str) -> None:
    """Remove a folder of a bucket, beginning with the object that says that it is whole."""
    fs = cast(Any, path).fs
    for place, recursive in ((path / first, False), (path, True)):
        if fs.exists(str(place)):
            fs.rm(str(place), recursive=recursive)


def zarr_store(path: Path) -> Path | FsspecStore:
    """What Zarr takes for the store at `path`."""
    return FsspecStore.from_url(str(path), storage_options=OPTIONS) if is_remote(path) else path
