"""Which sources of secrets there are.

Belongs here: their names, and reading the setting that chooses one. Does not belong here: any one source.
"""

from __future__ import annotations

import json

from pydantic import ValidationError

from platform_assets.members import MemberRegistry
from platform_assets.secret_sources.base import SourceSettings
from platform_assets.secret_sources.errors import SourceMisconfigured

SECRET_SOURCES: MemberRegistry[type[SourceSettings]] = MemberRegistry(
    "source of secrets",
    {
        "env": "platform_assets.secret_sources.variables:VariablesSettings",
        "file": "platform_assets.secret_sources.files:FilesSettings",
        "vault": "platform_assets.secret_sources.vault:VaultSettings",
        "aws": "platform_assets.secret_sources.aws:AwsSettings",
        "azure": "platform_assets.secret_sources.azure:AzureSettings",
        "gcp": "platform_assets.secret_sources.gcp:GcpSettings",
        "kubernetes": "platform_assets.secret_sources.kubernetes:KubernetesSettings",
    },
)


def parse_source(text: str, where: str) -> SourceSettings:
    """The source that a setting names.

    Args:
        text: JSON with `kind`, and what that kind needs.
        where: the setting's name, for messages.

    Raises:
        SourceMisconfigured: it cannot be used; the fields at fault are named.
    """
    try:
        given = json.loads(text)
    except ValueError as error:
        raise SourceMisconfigured(f"{where} is not JSON: {error}") from None
    kind = given.get("kind") if isinstance(given, dict) else None
    if not isinstance(kind, str) or kind not in SECRET_SOURCES:
        raise SourceMisconfigured(
            f"{where} names no source of secrets: its `kind` is one of {', '.join(SECRET_SOURCES.names)}"
        )
    try:
        return SECRET_SOURCES[kind].model_validate(given)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, item['loc'])) or kind}: {item['msg'].removeprefix('Value error, ')}"
            for item in error.errors()
        )
        raise SourceMisconfigured(f"{where} ({kind}) cannot be used. {problems}") from None
