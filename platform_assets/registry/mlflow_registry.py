"""Registered versions in MLflow, through `MlflowClient` only.

Belongs here: reading and writing model versions, their tags and aliases. Does not belong here: MLflow's fluent
interface (it opens runs behind one's back), training, or the ledger.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from platform_assets.declaration.renamed import current_name
from platform_assets.registry.base import (
    CHALLENGER,
    MODEL_FOLDER,
    PRODUCTION,
    Environment,
    RegisteredVersion,
    alias_in,
    environment_tags,
    trained_in,
)
from platform_assets.registry.errors import RegistryError, RegistryUnreachable

if TYPE_CHECKING:
    from mlflow import MlflowClient

ABSENT = frozenset({"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"})
"""How MLflow says that there is no such model, version or alias."""


@dataclass(frozen=True)
class MlflowRegistry:
    """MLflow's registry at one tracking address, as one environment sees it: a `ModelRegistry`.

    Attributes:
        tracking_uri: MLflow's address.
        environment: whose champion and challenger are meant.
    """

    tracking_uri: str
    environment: Environment = PRODUCTION

    def of(self, environment: Environment) -> Self:
        """The same registry with another environment's champion and challenger."""
        return replace(self, environment=environment)

    @cached_property
    def _client(self) -> "MlflowClient":
        """MLflow's client; importing it takes seconds, so it is made on first use."""
        from mlflow import MlflowClient

        return MlflowClient(tracking_uri=self.tracking_uri, registry_uri=self.tracking_uri)

    def register(self, use_case: str, run_id: str, tags: Mapping[str, str]) -> RegisteredVersion:
        """Register the model folder of a run as a new version and point the alias `challenger` at it."""
        from mlflow.exceptions import MlflowException

        try:
            self._client.create_registered_model(use_case)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        source = f"{self._client.get_run(run_id).info.artifact_uri}/{MODEL_FOLDER}"
        tagged = {**tags, **environment_tags(self.environment)}
        version = self._client.create_model_version(use_case, source=source, run_id=run_id, tags=tagged)
        self._client.set_registered_model_alias(use_case, alias_in(self.environment, CHALLENGER), version.version)
        return self._wrap(version)

    def get(self, use_case: str, version: str) -> RegisteredVersion:
        """The version of that number.

        Raises:
            RegistryError: when there is none.
        """
        from mlflow.exceptions import MlflowException

        try:
            with self._reached():
                return self._wrap(self._client.get_model_version(use_case, version))
        except MlflowException as error:
            raise RegistryError(
                f"model {use_case!r} has no version {version!r} in the registry at {self.tracking_uri}; "
                "train a model, or look for its version in MLflow"
            ) from error

    def by_alias(self, use_case: str, alias: str) -> RegisteredVersion | None:
        """The version that an alias points at, or None; `champion` and `challenger` are those of this environment."""
        from mlflow.exceptions import MlflowException

        try:
            with self._reached():
                return self._wrap(self._client.get_model_version_by_alias(use_case, alias_in(self.environment, alias)))
        except MlflowException:
            return None

    def by_as_of(self, use_case: str, as_of: str) -> RegisteredVersion | None:
        """The newest version that was trained as of that day in this environment, or None."""
        with self._reached():
            versions = self._client.search_model_versions(f"name='{use_case}' and tags.as_of='{as_of}'")
        own = [one for version in versions if trained_in(one := self._wrap(version)) == self.environment]
        return max(own, key=lambda version: int(version.version), default=None)

    def versions(self, use_case: str) -> list[RegisteredVersion]:
        """All registered versions, oldest first."""
        versions: list[Any] = []
        token = None
        while True:
            with self._reached():
                page = self._client.search_model_versions(f"name='{use_case}'", page_token=token)
            versions += page
            token = page.token
            if not token:
                return [self._wrap(version) for version in sorted(versions, key=lambda version: int(version.version))]

    def aliases(self, use_case: str) -> dict[str, list[str]]:
        """The aliases of each version that has any, as MLflow calls them; nothing for a model that was never registered."""
        from mlflow.exceptions import MlflowException

        try:
            with self._reached():
                named = self._client.get_registered_model(use_case).aliases
        except MlflowException:
            return {}
        versions: dict[str, list[str]] = {}
        for alias, version in sorted(named.items()):
            versions.setdefault(str(version), []).append(alias)
        return versions

    def metrics(self, version: RegisteredVersion) -> dict[str, float]:
        """The latest value of every metric of the run that made the version."""
        with self._reached():
            metrics = self._client.get_run(version.run_id).data.metrics
        return {current_name(name): value for name, value in metrics.items()}

    def set_alias(self, use_case: str, alias: str, version: str) -> None:
        """Point an alias at a version; `champion` and `challenger` are those of this environment."""
        with self._reached():
            self._client.set_registered_model_alias(use_case, alias_in(self.environment, alias), version)

    def set_tags(self, version: RegisteredVersion, tags: Mapping[str, str]) -> None:
        """Add tags to a version."""
        for key, value in tags.items():
            self._client.set_model_version_tag(version.use_case, version.version, key, value)

    def run_folder(self, version: RegisteredVersion) -> Path:
        """Local folder with all artifacts of the run that made the version (downloaded when they are remote)."""
        from mlflow.artifacts import download_artifacts

        return Path(download_artifacts(run_id=version.run_id, artifact_path="", tracking_uri=self.tracking_uri))

    def log_artifact(self, version: RegisteredVersion, path: Path) -> None:
        """Keep a file beside the other artifacts of the run that made the version, in place of an earlier one of that name."""
        self._client.log_artifact(version.run_id, str(path))

    @contextmanager
    def _reached(self) -> Iterator[None]:
        """Tell a registry that cannot be reached from one that answers with a no, which is passed on.

        Raises:
            RegistryUnreachable: it did not answer.
            MlflowException: it answered that there is no such thing.
        """
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except (MlflowException, SQLAlchemyError, OSError) as error:
            if isinstance(error, MlflowException) and error.error_code in ABSENT:
                raise
            raise RegistryUnreachable(unreachable(self.tracking_uri, error)) from error

    def _wrap(self, version: Any) -> RegisteredVersion:
        return RegisteredVersion(version.name, str(version.version), version.run_id, dict(version.tags))


def unreachable(tracking_uri: str, error: Exception) -> str:
    """What is said about a registry that did not answer; no password is shown."""
    reason = _without_password(str(error).strip().partition("\n")[0])[:300]
    return (
        f"the model registry at {_without_password(tracking_uri)} did not answer: {reason}. No alias was moved by "
        "this call; start the registry, or set PLATFORM_ASSETS_MLFLOW to where it is, and ask again"
    )


def _without_password(text: str) -> str:
    """A text with addresses, as it may be shown."""
    return re.sub(r"//[^/@\s]+@", "//", text)
