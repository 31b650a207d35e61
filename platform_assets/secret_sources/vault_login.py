"""Logging in to Vault: by AppRole, by the pod's service account, by a signed token, or with a token that somebody else renews.

Belongs here: the ways in. Does not belong here: reading secrets (`vault.py`). What a login shows stands in files, which are read at each
login, so that a new secret id or a new service-account token counts from the next one on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from platform_assets.secret_sources.errors import SecretsDenied, SecretsMissing

ACCOUNT_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


def file_text(path: Path, what: str) -> str:
    """The text in a file that a login shows.

    Raises:
        SecretsMissing: it is not there, or is empty.
        SecretsDenied: this process may not read it.
    """
    try:
        text = path.read_text(encoding="utf-8").strip()
    except PermissionError as error:
        raise SecretsDenied(f"{what}: this process may not read {path}: give it to this user") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SecretsMissing(f"{what}: {path} cannot be read: write it there, or correct the setting") from error
    if not text:
        raise SecretsMissing(f"{what}: {path} is empty")
    return text


class _Login(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AppRole(_Login):
    """A role's id and a secret id: for machines that no orchestrator vouches for."""

    method: Literal["approle"]
    role_id: str = Field(min_length=1)
    secret_id_file: Path
    mount: str = "approle"

    def lease(self, client: Any) -> dict[str, Any]:
        """Log in; what Vault says of the token."""
        secret_id = file_text(self.secret_id_file, "the secret id of the AppRole")
        answer = client.auth.approle.login(role_id=self.role_id, secret_id=secret_id, mount_point=self.mount)
        return dict(answer["auth"])


class ServiceAccount(_Login):
    """The pod's service account, which the cluster vouches for."""

    method: Literal["kubernetes"]
    role: str = Field(min_length=1)
    token_file: Path = ACCOUNT_TOKEN
    mount: str = "kubernetes"

    def lease(self, client: Any) -> dict[str, Any]:
        """Log in; what Vault says of the token."""
        token = file_text(self.token_file, "the service account's token")
        answer = client.auth.kubernetes.login(role=self.role, jwt=token, mount_point=self.mount)
        return dict(answer["auth"])


class SignedToken(_Login):
    """A token that an identity provider signed, as CI systems give to their jobs."""

    method: Literal["jwt"]
    role: str = Field(min_length=1)
    token_file: Path
    mount: str = "jwt"

    def lease(self, client: Any) -> dict[str, Any]:
        """Log in; what Vault says of the token."""
        token = file_text(self.token_file, "the signed token")
        answer = client.auth.jwt.jwt_login(role=self.role, jwt=token, path=self.mount)
        return dict(answer["auth"])


class GivenToken(_Login):
    """A token in a file that something else keeps fresh, such as Vault's agent."""

    method: Literal["token"]
    token_file: Path

    def lease(self, client: Any) -> dict[str, Any]:
        """Take the token; nothing is asked."""
        return {"client_token": file_text(self.token_file, "Vault's token"), "lease_duration": 0, "renewable": False}


VaultLogin = Annotated[AppRole | ServiceAccount | SignedToken | GivenToken, Field(discriminator="method")]
