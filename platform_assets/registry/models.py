"""Registered versions in MLflow, through `MlflowClient` only.

Belongs here: reading and writing model versions, their tags and aliases. Does not belong here: MLflow's fluent
interface (it opens runs behind one's back), training, or the ledger.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platform_assets.registry.errors import RegistryError

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHALLENGER = "challenger"
CHAMPION = "champion"
MODEL_FOLDER = "model"
"""Artifact folder of a run that holds the model itself."""
ABSENT = frozenset({"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"})
"""How MLflow says that there is no such model, version or alias."""


@dataclass(frozen=True)
class RegisteredVersion:
    """One version of a use case's model.

    Attributes:
        use_case: name of the registered model.
        version: its number, as MLflow writes it.
        run_id: the MLflow run that made it.
        tags: what it was made from: as-of day, data versions, feature contract, code version, seed.
    """

    use_case: str
    version: str
    run_id: str
    tags: Mapping[str, str]

    def tag_json(self, name: str) -> Any:
        """A tag that holds JSON, parsed; None when the tag is absent."""
        return json.loads(self.tags[name]) if name in self.tags else None


@dataclass(frozen=True)
class ModelRegistry:
    """MLflow's registry at one tracking address."""

    tracking_uri: str

    @cached_property
    def client(self) -> "MlflowClient":
        """MLflow's client; importing it takes seconds, so it is made on first use."""
        from mlflow import MlflowClient

        return MlflowClient(tracking_uri=self.tracking_uri, registry_uri=self.tracking_uri)

    def register(self, use_case: str, run_id: str, tags: Mapping[str, str]) -> RegisteredVersion:
        """Register the model folder of a run as a new version and point the alias `challenger` at it."""
        from mlflow.exceptions import MlflowException

        try:
            self.client.create_registered_model(use_case)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        source = f"{self.client.get_run(run_id).info.artifact_uri}/{MODEL_FOLDER}"
        version = self.client.create_model_version(use_case, source=source, run_id=run_id, tags=dict(tags))
        self.client.set_registered_model_alias(use_case, CHALLENGER, version.version)
        return self._wrap(version)

    def get(self, use_case: str, version: str) -> RegisteredVersion:
        """The version of that number.

        Raises:
            RegistryError: when there is none.
        """
        from mlflow.exceptions import MlflowException

        try:
            return self._wrap(self.client.get_model_version(use_case, version))
        except MlflowException as error:
            if error.error_code not in ABSENT:
                raise
            raise RegistryError(
                f"model {use_case!r} has no version {version!r} in the registry at {self.tracking_uri}; "
                "train a model, or look for its version in MLflow"
            ) from error

    def by_alias(self, use_case: str, alias: str) -> RegisteredVersion | None:
        """The version that an alias points at, or None."""
        from mlflow.exceptions import MlflowException

        try:
            return self._wrap(self.client.get_model_version_by_alias(use_case, alias))
        except MlflowException as error:
            if error.error_code not in ABSENT:
                raise
            return None

    def by_as_of(self, use_case: str, as_of: str) -> RegisteredVersion | None:
        """The newest version that was trained as of that day, or None."""
        found = self.client.search_model_versions(f"name='{use_case}' and tags.as_of='{as_of}'")
        return self._wrap(max(found, key=lambda version: int(version.version))) if found else None

    def versions(self, use_case: str) -> list[RegisteredVersion]:
        """All registered versions, oldest first."""
        found: list[Any] = []
        token = None
        while True:
            page = self.client.search_model_versions(f"name='{use_case}'", page_token=token)
            found += page
            token = page.token
            if not token:
                return [self._wrap(version) for version in sorted(found, key=lambda version: int(version.version))]

    def set_alias(self, use_case: str, alias: str, version: str) -> None:
        """Point an alias at a version."""
        self.client.set_registered_model_alias(use_case, alias, version)

    def set_tags(self, version: RegisteredVersion, tags: Mapping[str, str]) -> None:
        """Add tags to a version."""
        for key, value in tags.items():
            self.client.set_model_version_tag(version.use_case, version.version, key, value)

    def run_folder(self, version: RegisteredVersion) -> Path:
        """Local folder with all artifacts of the run that made the version (downloaded when they are remote)."""
        from mlflow.artifacts import download_artifacts

        return Path(download_artifacts(run_id=version.run_id, artifact_path="", tracking_uri=self.tracking_uri))

    def _wrap(self, version: Any) -> RegisteredVersion:
        return RegisteredVersion(version.name, str(version.version), version.run_id, dict(version.tags))
