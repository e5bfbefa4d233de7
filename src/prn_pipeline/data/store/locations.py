"""Locations of artefacts: local files, or objects of a bucket (s3://...), written atomically.

A bucket replaces an object in one step but cannot rename a folder. So the object that marks a folder as complete is
written last and removed first: the description of an array store, an empty object `_SUCCESS` in any other folder. A
killed run leaves objects without a marker, which no stage reads and the next run removes.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, cast

from prn_pipeline.errors import UserError

if TYPE_CHECKING:  # whoever writes a JSON file needs no Zarr
    from zarr.storage import FsspecStore, LocalStore

#: Name of the object that marks a folder as complete.
MARKER = "_SUCCESS"
#: Other processes write too, so listings must not be cached.
OPTIONS = {"use_listings_cache": False}


def location(text: str) -> Path:
    """A local path; or, for a URL such as s3://bucket/folder/name, an object with the methods of a path.

    Raises:
        UserError: the library for the protocol is not installed, or the bucket cannot be reached.
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
            f"{protocol}://{bucket} cannot be used ({error}): pip install 'prn_pipeline[s3]' for s3://, or use"
            " a local folder"
        ) from error
    except PermissionError:
        return  # to the whole bucket; the first access to the folder shows what is permitted there
    except Exception as error:  # the type depends on the storage library
        raise UserError(
            f"{protocol}://{bucket} cannot be reached ({type(error).__name__}: {error}): check AWS_ACCESS_KEY_ID,"
            " AWS_SECRET_ACCESS_KEY (or AWS_PROFILE), AWS_ENDPOINT_URL and the network"
        ) from error


def is_remote(path: Path) -> bool:
    """Whether a path is in a bucket."""
    return not isinstance(path, Path)


def is_complete(path: Path) -> bool:
    """Whether there is a file, or a folder that was written completely; array stores have `zarr.json` as marker."""
    return path.is_file() or (path / MARKER).is_file() if is_remote(path) else path.exists()


@contextmanager
def local_copy(path: Path) -> Iterator[Path]:
    """A local copy of a file or folder, for as long as the context lasts; a local path is returned unchanged."""
    if not is_remote(path):
        yield path
        return
    with TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        cast(Any, path).fs.get(str(path), str(copy), recursive=not path.is_file())
        yield copy


@contextmanager
def uploading(path: Path) -> Iterator[Path]:
    """`atomic.atomic_write` for a bucket: gives a local path, whose file or folder is then uploaded to `path`."""
    with TemporaryDirectory() as folder:
        local = Path(folder) / path.name
        yield local
        put = cast(Any, path).fs.put_file
        if local.is_file():
            put(str(local), str(path))
            return
        remove(path, MARKER)
        for file in sorted(file for file in local.rglob("*") if file.is_file()):
            put(str(file), str(path / file.relative_to(local).as_posix()))
        (path / MARKER).write_bytes(b"")


@contextmanager
def marked_last(path: Path, marker: str) -> Iterator[None]:
    """Write a folder of a bucket whose marker the block writes last; an older marker is removed first."""
    remove(path, marker)
    try:
        yield
    except BaseException:
        remove(path, marker)
        raise


def remove(path: Path, first: str) -> None:
    """Remove a folder of a bucket, beginning with the object `first`, which marks it as complete."""
    fs = cast(Any, path).fs
    for target, recursive in ((path / first, False), (path, True)):
        if fs.exists(str(target)):
            fs.rm(str(target), recursive=recursive)


def file_sizes(folder: Path) -> dict[str, int]:
    """Bytes of all files below a folder, by their path relative to it."""
    if is_remote(folder):
        root = str(folder).partition("://")[2].rstrip("/")
        found = cast(Any, folder).fs.find(root, detail=True)
        return {name.removeprefix(f"{root}/"): int(of["size"]) for name, of in found.items()}
    return {file.relative_to(folder).as_posix(): file.stat().st_size for file in folder.rglob("*") if file.is_file()}


def zarr_store(path: Path) -> LocalStore | FsspecStore:
    """The store at `path`, as Zarr takes it."""
    from zarr.storage import FsspecStore, LocalStore

    return FsspecStore.from_url(str(path), storage_options=OPTIONS) if is_remote(path) else LocalStore(path)
