"""Google Secret Manager, by its REST interface (v1): the identity is the pod's or the machine's, from the metadata server.

Belongs here: this source. Does not belong here: what is stored under which name (`stored.py`), requests (`rest.py`).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

from pydantic import Field

from platform_assets.secret_sources.base import SecretBundle
from platform_assets.secret_sources.errors import SecretsMisshapen
from platform_assets.secret_sources.rest import Token, TokenHolder, again_when_refused, asked, token_of
from platform_assets.secret_sources.stored import StoredSettings, StoredText

LOGIN = "/computeMetadata/v1/instance/service-accounts/default/token"


class GcpSettings(StoredSettings):
    """`{"kind": "gcp", "project": "team", "document": "platform-assets"}`; the newest version counts."""

    kind: Literal["gcp"]
    project: str = Field(min_length=1)
    endpoint: str = Field(default="https://secretmanager.googleapis.com", pattern=r"^https?://[^\s@]+$")
    machine: str = Field(
        default="http://metadata.google.internal",
        pattern=r"^https?://[^\s@]+$",
        description="Address of the metadata server.",
    )

    def opened(self, environment: Mapping[str, str]) -> GcpSource:
        """As `SourceSettings.opened`."""
        return GcpSource(self, TokenHolder(self._login))

    def _login(self) -> Token:
        address = f"{self.machine}{LOGIN}"
        answer = asked(
            "GET", address, "the login of the machine's identity", {"Metadata-Flavor": "Google"}, direct=True
        )
        return token_of(answer, address)


@dataclass(frozen=True)
class GcpSource:
    """Secrets of one project."""

    settings: GcpSettings
    holder: TokenHolder

    @property
    def place(self) -> str:
        """As `SecretSource.place`."""
        return f"Google Secret Manager of {self.settings.project}"

    def read(self) -> SecretBundle:
        """As `SecretSource.read`."""
        return self.settings.bundle(self._fetched)

    def _fetched(self, name: str) -> StoredText:
        path = f"projects/{quote(self.settings.project, safe='')}/secrets/{quote(name, safe='')}/versions/latest:access"

        def request(token: str) -> dict[str, Any]:
            return asked(
                "GET", f"{self.settings.endpoint}/v1/{path}", f"the secret {name}", {"Authorization": f"Bearer {token}"}
            )

        answer = again_when_refused(self.holder, request)
        try:
            text = base64.b64decode(answer["payload"]["data"], validate=True).decode("utf-8")
        except (KeyError, TypeError, binascii.Error, UnicodeDecodeError):
            raise SecretsMisshapen(f"{self.place}: the newest version of {name} is no text") from None
        return StoredText(text, str(answer.get("name", "")).rpartition("/")[2])
