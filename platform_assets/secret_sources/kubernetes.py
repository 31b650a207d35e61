"""A Secret of Kubernetes: mounted as a folder, or read from the cluster's API by the pod's service account.

Belongs here: this source. Does not belong here: files that are somebody's own (`files.py`), or objects that the platform makes.

A mounted Secret costs no right on the API and is what to choose. The kubelet writes a change into it within about a minute, all files
at once.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self
from urllib.parse import quote

from pydantic import Field, model_validator

from platform_assets.secret_sources.base import SecretBundle, SecretSource, SourceSettings, texts
from platform_assets.secret_sources.errors import SecretsMisshapen
from platform_assets.secret_sources.files import FileSource
from platform_assets.secret_sources.rest import asked
from platform_assets.secret_sources.vault_login import ACCOUNT_TOKEN, file_text

NAME = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"


class KubernetesSettings(SourceSettings):
    """`{"kind": "kubernetes", "folder": "/run/secrets/platform"}`, or `{"kind": "kubernetes", "secret": "platform-assets-secrets"}`."""

    kind: Literal["kubernetes"]
    folder: Path | None = Field(default=None, description="Where the Secret is mounted.")
    secret: str | None = Field(default=None, pattern=NAME, description="Name of the Secret that is read from the API.")
    namespace: str | None = Field(default=None, pattern=NAME, description="The pod's own when left out.")
    api: str = Field(default="https://kubernetes.default.svc", pattern=r"^https?://[^\s@]+$")
    account: Path = Field(
        default=ACCOUNT_TOKEN.parent, description="Folder of the service account's token, namespace and authorities."
    )

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.folder is None) == (self.secret is None):
            raise ValueError("name either `folder`, where a Secret is mounted, or `secret`, to be read from the API")
        return self

    def opened(self, environment: Mapping[str, str]) -> SecretSource:
        """As `SourceSettings.opened`."""
        return SecretObject(self) if self.folder is None else FileSource(self.folder, private=False)

    @property
    def folder_of_services(self) -> Path | None:
        """As `SourceSettings.folder_of_services`: the mounted folder, which pods of services have too."""
        return self.services or self.folder


@dataclass(frozen=True)
class SecretObject:
    """A Secret in the cluster's API."""

    settings: KubernetesSettings

    @property
    def place(self) -> str:
        """As `SecretSource.place`."""
        return f"the Secret {self.settings.secret} of {self.settings.namespace or 'this namespace'}"

    def read(self) -> SecretBundle:
        """As `SecretSource.read`."""
        account, what = self.settings.account, f"{self.place}"
        token = file_text(account / "token", "the service account's token")
        namespace = self.settings.namespace or file_text(account / "namespace", "the pod's namespace")
        authorities = account / "ca.crt"
        address = f"{self.settings.api}/api/v1/namespaces/{namespace}/secrets/{quote(str(self.settings.secret))}"
        answer = asked(
            "GET",
            address,
            what,
            {"Authorization": f"Bearer {token}"},
            certificates=authorities if authorities.is_file() else None,
            direct=True,
        )
        try:
            values = {
                name: base64.b64decode(text, validate=True).decode("utf-8")
                for name, text in (answer.get("data") or {}).items()
            }
        except (binascii.Error, UnicodeDecodeError, TypeError, AttributeError):
            raise SecretsMisshapen(
                f"{what} holds something that is no text: store keys of another form as base64"
            ) from None
        version = str((answer.get("metadata") or {}).get("resourceVersion", ""))
        return SecretBundle(texts(values, what), version)
