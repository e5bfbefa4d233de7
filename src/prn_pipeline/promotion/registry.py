"""One model of MLflow's registry: its versions, and which of them is champion."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import mlflow
from filelock import FileLock
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from prn_pipeline.errors import UserError

CHAMPION, CHALLENGER = "champion", "challenger"
#: Tags of a version: what it says of images, whom it replaced as champion, when it was taken back, what it is good for.
DIGEST, REPLACED, TAKEN_BACK, BROKEN = "predictor_sha256", "replaced", "taken_back", "broken"
#: What MLflow says where there is no such thing; any other error says nothing about what there is.
ABSENT = "RESOURCE_DOES_NOT_EXIST"


class ChampionChangedError(Exception):
    """Somebody else has promoted in the meantime."""


class Registry:
    """A registered model, at the tracking server that MLflow is set to.

    Args:
        name: of the model; it need not exist yet.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._client = MlflowClient()

    def versions(self) -> list[ModelVersion]:
        """All of them, the newest first."""
        found = self._client.search_model_versions(f"name = '{self.name}'")
        return sorted(found, key=lambda version: int(version.version), reverse=True)

    def aliased(self, alias: str) -> ModelVersion | None:
        """The version of this alias; None where there is none, and not where the registry cannot say."""
        try:
            number = self._client.get_registered_model(self.name).aliases.get(alias)
        except MlflowException as error:
            if error.error_code != ABSENT:
                raise
            return None
        return None if number is None else self.version(str(number))

    def find(self, digest: str) -> ModelVersion | None:
        """The newest usable version that says the same of every image."""
        same = (v for v in self.versions() if v.tags.get(DIGEST) == digest and BROKEN not in v.tags)
        return next(same, None)

    def version(self, number: str) -> ModelVersion:
        """A version by its number.

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
        """Tag a version."""
        self._client.set_model_version_tag(self.name, str(version.version), key, value)

    def challenge(self, version: ModelVersion) -> None:
        """Make it the challenger."""
        self._client.set_registered_model_alias(self.name, CHALLENGER, str(version.version))

    def promote(self, version: ModelVersion, expected: ModelVersion | None) -> None:
        """Make it the champion in place of `expected`, and remember whom it replaced.

        Raises:
            ChampionChangedError: another one is champion by now.
        """
        with self._turn():
            now = self.aliased(CHAMPION)
            if (now and str(now.version)) != (expected and str(expected.version)):
                raise ChampionChangedError(f"{self.name}: version {now.version if now else 'none'} is champion by now")
            if expected is not None:
                self.tag(version, REPLACED, str(expected.version))
            self._client.set_registered_model_alias(self.name, CHAMPION, str(version.version))

    def roll_back(self, to: str | None = None) -> tuple[str, str]:
        """Make an older version the champion again; the present one is not promoted by itself any more.

        Args:
            to: its number; None: the version that the champion has replaced.

        Returns:
            Numbers of the version that was champion, and of the one that is now; the first is "none" where none was.

        Raises:
            UserError: there is nothing to go back to.
        """
        with self._turn():
            if not self.versions():
                names = ", ".join(model.name for model in self._client.search_registered_models()) or "none"
                raise UserError(f"the registry has no model {self.name}; it has {names}")
            now = self.aliased(CHAMPION)
            target = to or (now.tags.get(REPLACED) if now else None)
            if target is None:
                known = ", ".join(str(version.version) for version in self.versions()) or "none"
                raise UserError(
                    f"model {self.name}: its champion ({now.version if now else 'none'}) has replaced no other, so"
                    f" there is nothing to go back to. Name a version with --to; there are {known}."
                )
            chosen = self.version(target)
            if BROKEN in chosen.tags:
                raise UserError(f"model {self.name}: version {target} is broken ({chosen.tags[BROKEN]}): name another")
            if TAKEN_BACK in chosen.tags:
                self._client.delete_model_version_tag(self.name, target, TAKEN_BACK)
            self._client.set_registered_model_alias(self.name, CHAMPION, str(chosen.version))
            if now is not None and str(now.version) != str(chosen.version):
                self.tag(now, TAKEN_BACK, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
            return (str(now.version) if now else "none"), str(chosen.version)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """One at a time on this machine; MLflow has no way to compare and set in one step."""
        key = sha256(f"{mlflow.get_registry_uri()}\0{self.name}".encode()).hexdigest()[:16]
        with FileLock(Path(tempfile.gettempdir()) / f"prn-{key}.lock", mode=0o666):  # whoever comes first, others too
            yield
