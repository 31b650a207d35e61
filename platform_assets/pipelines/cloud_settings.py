"""Whether an installation's settings agree with the cloud that a use case declares.

Belongs here: comparing settings with `cloud`. Does not belong here: what a declaration alone contradicts
(`declaration/checks/options.py`), or what belongs to which cloud (`declaration/options/clouds.py`).
"""

from __future__ import annotations

from collections.abc import Iterator

from platform_assets.declaration import UseCase
from platform_assets.declaration.options.clouds import CLOUD, Cloud
from platform_assets.settings import PREFIX, Settings

_ADDRESSES = ("lake", "lake_copy", "mlflow_artifacts")
_ENDPOINT = "AWS_ENDPOINT_URL"


class CloudContradicted(ValueError):
    """Settings name services of another cloud than the declared one; the message names the variables."""


def require_cloud(use_case: UseCase, settings: Settings) -> None:
    """Refuse settings that belong to another cloud than the use case declares.

    Raises:
        CloudContradicted: some do.
    """
    cloud = CLOUD.options[use_case.cloud]
    if cloud.takes_all:
        return
    if found := list(_contradictions(cloud, settings)):
        raise CloudContradicted(
            f"{use_case.name} declares `cloud: {cloud.name}`, and {'; '.join(found)}. Change the setting, or declare `cloud: several`"
        )


def _contradictions(cloud: Cloud, settings: Settings) -> Iterator[str]:
    own_store = _ENDPOINT in settings.object_store
    """An object store with an endpoint of its own speaks S3 and is nobody's cloud."""
    others = [CLOUD.options[name] for name in CLOUD.options if name != cloud.name]
    for name in _ADDRESSES:
        scheme, mark, _ = str(getattr(settings, name) or "").partition("://")
        for other in others:
            if mark and scheme in other.schemes and not (own_store and scheme.startswith("s3")):
                yield f"{PREFIX}{name.upper()} is an address of {other.name} ({scheme}://)"
    for other in others:
        if settings.secrets is not None and settings.secrets.kind == other.secrets:
            yield f"{PREFIX}SECRETS is the secret manager of {other.name}"
        if settings.price_sheet == other.name:
            yield f"{PREFIX}PRICE_SHEET is that of {other.name}"
