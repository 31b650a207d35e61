"""What serves by the ledger, and bringing it into service on another target or after a restore.

Belongs here: from the ledger's newest deployment to its release and back into service. Does not belong here: new releases (`deploy.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

from platform_assets.declaration import UseCase
from platform_assets.deployment.packaging import BuiltBento, find_bento
from platform_assets.installation import Installation
from platform_assets.pipelines.deploy import Deployed, put_in_service
from platform_assets.registry.base import RegisteredVersion


@dataclass(frozen=True)
class ReleaseOfLedger:
    """What was deployed last.

    Attributes:
        version: of the registered model.
        digest: of its service.
        bento: the service; None where it does not lie in the home.
    """

    version: str
    digest: str
    bento: BuiltBento | None


def release_of_ledger(use_case: UseCase, installation: Installation) -> ReleaseOfLedger | None:
    """What was last deployed of a use case; None where nothing ever was."""
    entries = installation.models.ledger(use_case.name).entries(use_case.name)
    deployed = [row for row in entries.iter_rows(named=True) if row["action"] == "deployed"]
    if not deployed:
        return None
    version, digest = str(deployed[-1]["model_version"]), str(deployed[-1]["release"])
    return ReleaseOfLedger(version, digest, find_bento(use_case, digest, installation.serving.bento_root()))


def serve_again(use_case: UseCase, installation: Installation, released: ReleaseOfLedger, run_id: str) -> Deployed:
    """Put what served by the ledger behind the address of this installation.

    Raises:
        ValueError: its release is not there.
        DeploymentError: it does not come up.
    """
    if released.bento is None:
        raise ValueError(
            f"{use_case.name}: the release {released.digest} of version {released.version} does not lie in the home; "
            f"materialize {use_case.name}/serving/service of its day again, then deploy it"
        )
    version = RegisteredVersion(use_case.name, released.version, "", {})
    return put_in_service(
        use_case,
        version,
        released.bento,
        installation.models,
        installation.feature_store,
        installation.serving,
        run_id,
    )
