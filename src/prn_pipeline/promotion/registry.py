"""One model in MLflow's registry: its versions, and which of them is the champion."""

from __future__ import annotations

import getpass
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import mlflow
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow.utils.file_utils import local_file_uri_to_path

from prn_pipeline.errors import UserError
from prn_pipeline.layout.places import LOCKS
from prn_pipeline.processes.locks import file_lock
from prn_pipeline.promotion.marks import BROKEN, CHALLENGER, CHAMPION, DIGEST, LOOKS, REPLACED, TAKEN_BACK

#: Error code of MLflow for a missing model or version; after any other error it is unknown whether there is one.
ABSENT = "RESOURCE_DOES_NOT_EXIST"


class ChampionChangedError(Exception):
    """Another process has changed the champion in the meantime."""


class Registry:
    """A registered model, in the registry that MLflow is set to.

    Args:
        name: of the model, which may not exist yet.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._client = MlflowClient()

    def versions(self) -> list[ModelVersion]:
        """All versions, the newest first."""
        found = self._client.search_model_versions(f"name = '{self.name}'")
        return sorted(found, key=lambda version: int(version.version), reverse=True)

    def aliased(self, alias: str) -> ModelVersion | None:
        """The version with this alias, or None; an error of the registry is raised, not read as None."""
        try:
            number = self._client.get_registered_model(self.name).aliases.get(alias)
        except MlflowException as error:
            if error.error_code != ABSENT:
                raise
            return None
        return None if number is None else self.version(str(number))

    def find(self, digest: str) -> ModelVersion | None:
        """The newest version with this digest that is not broken: its predictions are the same for every image."""
        same = (v for v in self.versions() if v.tags.get(DIGEST) == digest and BROKEN not in v.tags)
        return next(same, None)

    def version(self, number: str) -> ModelVersion:
        """The version with this number.

        Raises:
            UserError: there is none.
        """
        try:
            return self._client.get_model_version(self.name, number)
        except MlflowException as error:
            if error.error_code != ABSENT:
                raise
            known = ", ".join(str(version.version) for version in self.versions()) or "none"
            raise UserError(f"model {self.name} has no version {number}; it has {known}") from error

    def tag(self, version: ModelVersion, key: str, value: str) -> None:
        """Set a tag of a version."""
        self._client.set_model_version_tag(self.name, str(version.version), key, value)

    def challenge(self, version: ModelVersion) -> None:
        """Make a version the challenger."""
        self._client.set_registered_model_alias(self.name, CHALLENGER, str(version.version))

    def look(self, challenger: ModelVersion, champion: ModelVersion, test: str) -> int:
        """Number of a comparison among those with the same champion, 1 for the first; it counts from now on.

        The same challenger on the same test images always gets the same number. The champion keeps the count, so that
        versions may be deleted, and a champion that a rollback restores goes on with its own. It is raised first: a
        process that is killed in between makes later comparisons stricter, never laxer.

        Args:
            challenger: version that is compared.
            champion: version that it is compared with.
            test: digest of the test images.
        """
        key = f"look_{champion.version}_{test[:16]}"
        with self._locked():
            known = self.version(str(challenger.version)).tags.get(key)
            if known is not None:
                return int(known)
            number = 1 + int(self.version(str(champion.version)).tags.get(LOOKS, 0))
            self.tag(champion, LOOKS, str(number))
            self.tag(challenger, key, str(number))
            return number

    def promote(self, version: ModelVersion, expected: ModelVersion | None) -> None:
        """Make a version the champion in place of `expected`, and tag it with the version that it replaced.

        Args:
            version: the new champion.
            expected: the champion that it was compared with; None if there was none.

        Raises:
            ChampionChangedError: the champion is not `expected` any more.
        """
        with self._locked():
            now = self.aliased(CHAMPION)
            if (now and str(now.version)) != (expected and str(expected.version)):
                raise ChampionChangedError(f"{self.name}: the champion is now version {now.version if now else 'none'}")
            if expected is not None:
                self.tag(version, REPLACED, str(expected.version))
            self._client.set_registered_model_alias(self.name, CHAMPION, str(version.version))

    def roll_back(self, to: str | None = None) -> tuple[str, str]:
        """Make an older version the champion again; the current champion will not be promoted again.

        Args:
            to: number of the older version; None for the version that the champion replaced.

        Returns:
            Number of the previous champion ("none" if there was none) and of the new one.

        Raises:
            UserError: there is no such version, or it is broken.
        """
        with self._locked():
            if not self.versions():
                names = ", ".join(model.name for model in self._client.search_registered_models()) or "none"
                raise UserError(f"the registry has no model {self.name}; it has {names}")
            now = self.aliased(CHAMPION)
            target = to or (now.tags.get(REPLACED) if now else None)
            if target is None:
                known = ", ".join(str(version.version) for version in self.versions()) or "none"
                raise UserError(
                    f"model {self.name}: its champion ({now.version if now else 'none'}) replaced no other version."
                    f" Name a version with --to; there are {known}"
                )
            chosen = self.version(target)
            if BROKEN in chosen.tags:
                raise UserError(
                    f"model {self.name}: version {target} is broken ({chosen.tags[BROKEN]}): name another version"
                )
            if TAKEN_BACK in chosen.tags:
                self._client.delete_model_version_tag(self.name, target, TAKEN_BACK)
            self._client.set_registered_model_alias(self.name, CHAMPION, str(chosen.version))
            if now is not None and str(now.version) != str(chosen.version):
                self.tag(now, TAKEN_BACK, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
            return (str(now.version) if now else "none"), str(chosen.version)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold this machine's lock for the model, because MLflow cannot compare and set an alias in one step."""
        key = sha256(f"{mlflow.get_registry_uri()}\0{self.name}".encode()).hexdigest()[:16]
        with file_lock(_lock_folder() / f"{key}.lock"):
            yield


def _lock_folder() -> Path:
    """Folder of the locks: of the project whose database has the registry, of the user where a server has it."""
    uri = mlflow.get_registry_uri()
    scheme, _, rest = uri.partition(":")
    if scheme.startswith("sqlite") and (path := rest.partition("?")[0].removeprefix("///")):
        folder = Path(path).absolute().parent
    elif scheme == "file" or "://" not in uri:
        folder = Path(local_file_uri_to_path(uri)).absolute().parent
    else:
        return _user_folder() / "locks"
    return folder / LOCKS if (folder / LOCKS.parent).is_dir() else folder / LOCKS.name


def _user_folder() -> Path:
    """A folder of this user alone, in which this process may write."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "prn_pipeline"
    try:
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:  # a container without a home
        cache = Path(tempfile.gettempdir()) / f"prn_pipeline-{getpass.getuser()}"
        cache.mkdir(mode=0o700, exist_ok=True)
    return cache
