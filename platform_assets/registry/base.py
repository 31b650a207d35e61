"""What a model registry is: versions of a use case's model, their tags, aliases and artifacts.

Belongs here: the narrow Protocol that promotion, evaluation, serving, pins and reproduction need, and the words it is spoken in. Does not
belong here: any registry (`mlflow_registry.py`; all of them: `registry.py`), or the ledger (`ledger.py`).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Protocol, Self, get_args

CHALLENGER = "challenger"
CHAMPION = "champion"
Environment = Literal["dev", "staging", "production"]
ENVIRONMENT_TAG = "environment"
"""Tag of a registered version: where it was trained."""
ENVIRONMENTS: Final[tuple[Environment, ...]] = get_args(Environment)
PRODUCTION: Final[Environment] = "production"
MODEL_FOLDER = "model"
"""Artifact folder of a run that holds the model itself."""
VERDICT_TAG = "gates"
"""Tag of a version: whether its gates `passed` or `failed` when it was last judged; a version without it was not judged."""


@dataclass(frozen=True)
class RegisteredVersion:
    """One version of a use case's model.

    Attributes:
        use_case: name of the registered model.
        version: its number, as the registry writes it.
        run_id: the tracked run that made it.
        tags: what it was made from: as-of day, data versions, feature contract, code version, seed.
    """

    use_case: str
    version: str
    run_id: str
    tags: Mapping[str, str]

    def tag_json(self, name: str) -> Any:
        """A tag that holds JSON, parsed; None when the tag is absent."""
        return json.loads(self.tags[name]) if name in self.tags else None


def alias_in(environment: Environment, alias: str) -> str:
    """How the registry calls an alias of an environment: `champion` in production, `staging-champion` in staging.

    Other aliases than `champion` and `challenger` belong to people and stay as they are.
    """
    return alias if environment == PRODUCTION or alias not in (CHALLENGER, CHAMPION) else f"{environment}-{alias}"


def environment_tags(environment: Environment) -> dict[str, str]:
    """Tags of a version that say where it was trained; production's carry none."""
    return {} if environment == PRODUCTION else {ENVIRONMENT_TAG: environment}


def trained_in(version: RegisteredVersion) -> str:
    """The environment that a version was trained in."""
    return version.tags.get(ENVIRONMENT_TAG, PRODUCTION)


class ModelRegistry(Protocol):
    """A registry of model versions, as one environment sees it.

    Every method that asks the registry raises `RegistryUnreachable` when it does not answer.
    """

    @property
    def environment(self) -> Environment:
        """Whose champion and challenger are meant."""
        ...

    def of(self, environment: Environment) -> Self:
        """The same registry with another environment's champion and challenger."""
        ...

    def register(self, use_case: str, run_id: str, tags: Mapping[str, str]) -> RegisteredVersion:
        """Register the model folder of a run as a new version and point the alias `challenger` at it."""
        ...

    def get(self, use_case: str, version: str) -> RegisteredVersion:
        """The version of that number.

        Raises:
            RegistryError: there is none.
        """
        ...

    def by_alias(self, use_case: str, alias: str) -> RegisteredVersion | None:
        """The version that an alias points at, or None; `champion` and `challenger` are those of this environment."""
        ...

    def by_as_of(self, use_case: str, as_of: str) -> RegisteredVersion | None:
        """The newest version that was trained as of that day in this environment, or None."""
        ...

    def versions(self, use_case: str) -> list[RegisteredVersion]:
        """All registered versions, oldest first; none of a model that was never registered."""
        ...

    def aliases(self, use_case: str) -> dict[str, list[str]]:
        """The aliases of each version that has any, in order and as the registry calls them (`alias_in`)."""
        ...

    def metrics(self, version: RegisteredVersion) -> dict[str, float]:
        """The latest value of every metric of the run that made the version."""
        ...

    def set_alias(self, use_case: str, alias: str, version: str) -> None:
        """Point an alias at a version; `champion` and `challenger` are those of this environment."""
        ...

    def set_tags(self, version: RegisteredVersion, tags: Mapping[str, str]) -> None:
        """Add tags to a version; one that it has takes the new value."""
        ...

    def run_folder(self, version: RegisteredVersion) -> Path:
        """Local folder with all artifacts of the run that made the version (downloaded when they are remote)."""
        ...

    def log_artifact(self, version: RegisteredVersion, path: Path) -> None:
        """Keep a file beside the other artifacts of the run that made the version, in place of an earlier one of that name."""
        ...
