"""Azure Key Vault, by its REST interface (7.4): the identity is a federated one of the pod, or the machine's managed one.

Belongs here: this source and its two logins. Does not belong here: what is stored under which name (`stored.py`), requests (`rest.py`).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from pydantic import Field

from platform_assets.secret_sources.base import SecretBundle
from platform_assets.secret_sources.errors import SecretsExpired, SecretsMisshapen
from platform_assets.secret_sources.rest import Token, TokenHolder, again_when_refused, asked, token_of
from platform_assets.secret_sources.stored import StoredSettings, StoredText
from platform_assets.secret_sources.vault_login import file_text

VERSION = "api-version=7.4"
MACHINE = "http://169.254.169.254"
RESOURCE = "https://vault.azure.net"
_FEDERATED = "AZURE_FEDERATED_TOKEN_FILE"
_VARIABLES = (_FEDERATED, "AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_AUTHORITY_HOST")


class AzureSettings(StoredSettings):
    """`{"kind": "azure", "vault": "https://team.vault.azure.net", "document": "platform-assets"}`."""

    kind: Literal["azure"]
    vault: str = Field(pattern=r"^https?://[^\s@/]+/?$")
    client_id: str | None = Field(default=None, description="Of the managed identity, where a machine has several.")
    machine: str = Field(default=MACHINE, pattern=r"^https?://[^\s@]+$", description="Address of the metadata service.")

    def opened(self, environment: Mapping[str, str]) -> AzureSource:
        """As `SourceSettings.opened`."""
        named = {name: environment[name] for name in _VARIABLES if environment.get(name)}
        return AzureSource(self, TokenHolder(lambda: _login(self, named)))


@dataclass(frozen=True)
class AzureSource:
    """Secrets of one vault."""

    settings: AzureSettings
    holder: TokenHolder

    @property
    def place(self) -> str:
        """As `SecretSource.place`."""
        return f"Azure Key Vault {self.settings.vault}"

    def read(self) -> SecretBundle:
        """As `SecretSource.read`."""
        return self.settings.bundle(self._fetched)

    def _fetched(self, name: str) -> StoredText:
        address = f"{self.settings.vault.rstrip('/')}/secrets/{quote(name, safe='')}?{VERSION}"

        def request(token: str) -> dict[str, Any]:
            return asked("GET", address, f"the secret {name}", {"Authorization": f"Bearer {token}"})

        answer = again_when_refused(self.holder, request)
        text, ends = answer.get("value"), (answer.get("attributes") or {}).get("exp")
        if not isinstance(text, str):
            raise SecretsMisshapen(f"{self.place}: the answer about {name} holds no value")
        left = None if ends is None else float(ends) - time.time()
        if left is not None and left <= 0:
            raise SecretsExpired(f"{self.place}: {name} has expired by its attribute `exp`. Store a new version")
        return StoredText(text, str(answer.get("id", "")).rpartition("/")[2], left)


def _login(settings: AzureSettings, named: Mapping[str, str]) -> Token:
    """A token by the pod's federated identity where the variables of one are set, else by the machine's."""
    if _FEDERATED in named and "AZURE_TENANT_ID" in named:
        authority = named.get("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.com").rstrip("/")
        form = {
            "grant_type": "client_credentials",
            "client_id": settings.client_id or named.get("AZURE_CLIENT_ID", ""),
            "scope": f"{RESOURCE}/.default",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": file_text(Path(named[_FEDERATED]), "the pod's federated token"),
        }
        address = f"{authority}/{named['AZURE_TENANT_ID']}/oauth2/v2.0/token"
        return token_of(asked("POST", address, "the login of the pod's identity", form=form), address)
    which = f"&client_id={quote(settings.client_id)}" if settings.client_id else ""
    address = f"{settings.machine}/metadata/identity/oauth2/token?api-version=2018-02-01&resource={quote(RESOURCE, safe='')}{which}"
    return token_of(
        asked("GET", address, "the login of the machine's identity", {"Metadata": "true"}, direct=True),
        settings.machine,
    )
