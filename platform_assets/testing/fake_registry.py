"""A model registry in memory, whose runs are folders: for tests that are about what is done with versions.

Belongs here: a registry that passes the contract of all of them (`platform_assets_tests/contracts/test_model_registry.py`). Does not
belong here: versions of any test.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from platform_assets.registry.base import (
    CHALLENGER,
    PRODUCTION,
    Environment,
    RegisteredVersion,
    alias_in,
    environment_tags,
    trained_in,
)
from platform_assets.registry.errors import RegistryError, RegistryUnreachable


@dataclass
class FakeStore:
    """What a registry remembers, whichever environment looks.

    Attributes:
        versions: of each use case, by number.
        named: number by alias, of each use case; aliases by their full names.
        folders: artifacts of each run.
        metrics: of each run.
        is_reachable: whether it answers.
    """

    versions: dict[str, dict[str, RegisteredVersion]] = field(default_factory=dict)
    named: dict[str, dict[str, str]] = field(default_factory=dict)
    folders: dict[str, Path] = field(default_factory=dict)
    metrics: dict[str, dict[str, float]] = field(default_factory=dict)
    is_reachable: bool = True


@dataclass(frozen=True)
class FakeRegistry:
    """A `ModelRegistry` in memory.

    Attributes:
        environment: whose champion and challenger are meant.
        store: what it remembers.
    """

    environment: Environment = PRODUCTION
    store: FakeStore = field(default_factory=FakeStore)

    def add(self, version: RegisteredVersion, folder: Path | None = None, **metrics: float) -> RegisteredVersion:
        """Know a version that was made elsewhere, with the folder and the metrics of its run; no alias moves."""
        self.store.versions.setdefault(version.use_case, {})[version.version] = version
        if folder is not None:
            self.store.folders[version.run_id] = folder
        if metrics:
            self.store.metrics[version.run_id] = metrics
        return version

    def of(self, environment: Environment) -> Self:
        """The same registry with another environment's champion and challenger."""
        return replace(self, environment=environment)

    def register(self, use_case: str, run_id: str, tags: Mapping[str, str]) -> RegisteredVersion:
        """A new version, which becomes the challenger."""
        number = str(len(self._known(use_case)) + 1)
        tagged = {**tags, **environment_tags(self.environment)}
        version = self.add(RegisteredVersion(use_case, number, run_id, tagged))
        self.set_alias(use_case, CHALLENGER, number)
        return version

    def get(self, use_case: str, version: str) -> RegisteredVersion:
        """The version of that number.

        Raises:
            RegistryError: there is none.
        """
        known = self._known(use_case)
        if version not in known:
            raise RegistryError(f"model {use_case!r} has no version {version!r} in memory; train a model")
        return known[version]

    def by_alias(self, use_case: str, alias: str) -> RegisteredVersion | None:
        """The version that an alias points at, or None."""
        known = self._known(use_case)
        number = self.store.named.get(use_case, {}).get(alias_in(self.environment, alias))
        return None if number is None else known[number]

    def by_as_of(self, use_case: str, as_of: str) -> RegisteredVersion | None:
        """The newest version that was trained as of that day in this environment, or None."""
        own = [each for each in self.versions(use_case) if trained_in(each) == self.environment]
        return next((each for each in reversed(own) if each.tags.get("as_of") == as_of), None)

    def versions(self, use_case: str) -> list[RegisteredVersion]:
        """All registered versions, oldest first."""
        return sorted(self._known(use_case).values(), key=lambda version: int(version.version))

    def aliases(self, use_case: str) -> dict[str, list[str]]:
        """The aliases of each version that has any, by their full names."""
        self._known(use_case)
        by_version: dict[str, list[str]] = {}
        for alias, number in sorted(self.store.named.get(use_case, {}).items()):
            by_version.setdefault(number, []).append(alias)
        return by_version

    def metrics(self, version: RegisteredVersion) -> dict[str, float]:
        """The metrics of the run that made the version."""
        self._known(version.use_case)
        return dict(self.store.metrics.get(version.run_id, {}))

    def set_alias(self, use_case: str, alias: str, version: str) -> None:
        """Point an alias at a version."""
        self.get(use_case, version)
        self.store.named.setdefault(use_case, {})[alias_in(self.environment, alias)] = version

    def set_tags(self, version: RegisteredVersion, tags: Mapping[str, str]) -> None:
        """Add tags to a version."""
        known = self.get(version.use_case, version.version)
        self.add(replace(known, tags={**known.tags, **tags}))

    def run_folder(self, version: RegisteredVersion) -> Path:
        """The folder of the run that made the version."""
        self._known(version.use_case)
        return self.store.folders[version.run_id]

    def log_artifact(self, version: RegisteredVersion, path: Path) -> None:
        """Keep a file in the folder of the run that made the version."""
        shutil.copy(path, self.run_folder(version) / path.name)

    def _known(self, use_case: str) -> dict[str, RegisteredVersion]:
        if not self.store.is_reachable:
            raise RegistryUnreachable(
                "the model registry in memory did not answer. No alias was moved by this call; ask again"
            )
        return self.store.versions.get(use_case, {})
