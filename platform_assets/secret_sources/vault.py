"""Vault, or OpenBao, which speaks the same: a KV version 2 secret, and credentials that Vault makes for a while.

Belongs here: this source: its token, its leases. Does not belong here: ways to log in (`vault_login.py`).

The token is renewed when a third of its time is left, and had anew where it cannot be, or was refused. A lease is renewed in the same way;
where its longest time is reached, Vault makes another user and password.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, model_validator

from platform_assets.secret_sources.base import SecretBundle, SourceSettings, VariableName, texts
from platform_assets.secret_sources.errors import (
    LibraryMissing,
    SecretsDenied,
    SecretsMisshapen,
    SecretsMissing,
    SecretsUnreachable,
)
from platform_assets.secret_sources.vault_login import VaultLogin

TIMEOUT_SECONDS = 10
RENEW_BELOW_SHARE = 1 / 3
_PLACE = re.compile(r"\{(\w+)\}")


class LeasedCredentials(BaseModel):
    """Credentials that an engine of Vault makes when they are asked for, such as a user of a database.

    Attributes:
        path: where they are read: `database/creds/feast`.
        values: what is made of them, by variable, with `{username}` and such in place of the fields.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str = Field(min_length=1)
    values: dict[VariableName, str] = Field(min_length=1)


class VaultSettings(SourceSettings):
    """An address, a login, and a secret: `{"kind": "vault", "address": ..., "login": {...}, "path": "platform-assets"}`."""

    kind: Literal["vault"]
    address: str = Field(pattern=r"^https?://[^\s@]+$")
    login: VaultLogin
    mount: str = Field(default="secret", description="Of the KV version 2 engine.")
    path: str | None = Field(default=None, min_length=1, description="Of the secret below the mount.")
    leased: tuple[LeasedCredentials, ...] = ()
    namespace: str | None = None
    ca_file: Path | None = Field(default=None, description="Authorities that Vault's certificate is checked by.")

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.path is None and not self.leased:
            raise ValueError("name a secret: `path`, or `leased` credentials")
        return self

    def opened(self, environment: Mapping[str, str]) -> VaultSource:
        """As `SourceSettings.opened`."""
        return VaultSource(self)


@dataclass
class _Lease:
    """Something that ends: a token, or credentials."""

    content: Mapping[str, Any] = field(repr=False)
    identifier: str
    seconds: float
    had_at: float
    is_renewable: bool

    @property
    def left_seconds(self) -> float:
        return self.had_at + self.seconds - time.monotonic()

    @property
    def is_fresh(self) -> bool:
        return not self.seconds or self.left_seconds > self.seconds * RENEW_BELOW_SHARE


class VaultSource:
    """Secrets of one Vault."""

    def __init__(self, settings: VaultSettings) -> None:
        """Take the settings; nothing is asked."""
        self._settings = settings
        self._token: _Lease | None = None
        self._leases: dict[str, _Lease] = {}

    @property
    def place(self) -> str:
        """As `SecretSource.place`."""
        paths = [f"{self._settings.mount}/{self._settings.path}"] if self._settings.path else []
        return f"{self._settings.address} ({', '.join([*paths, *(lease.path for lease in self._settings.leased)])})"

    def read(self) -> SecretBundle:
        """As `SecretSource.read`."""
        values: dict[str, str] = {}
        versions: list[str] = []
        if self._settings.path is not None:
            found, version = self._allowed(self._stored)
            values |= found
            versions.append(version)
        left: list[float] = []
        for wanted in self._settings.leased:
            lease = self._allowed(lambda client, wanted=wanted: self._leased(client, wanted.path))  # type: ignore[misc]
            values |= {name: self._filled(text, lease.content, wanted.path) for name, text in wanted.values.items()}
            versions.append(lease.identifier.rpartition("/")[2])
            if lease.seconds:
                left.append(lease.left_seconds)
        return SecretBundle(values, " ".join(versions), min(left, default=None))

    def _allowed(self, request: Callable[[Any], Any]) -> Any:
        """The answer to a request; a token that is refused is had anew, once: it may have been revoked."""
        with self._failures("the read"):
            client = self._client()
            was = self._token
            client.token = self._present_token(client)
            from hvac.exceptions import Forbidden

            try:
                return request(client)
            except Forbidden:
                if was is None:
                    raise  # the token is new
                self._token = None
                client.token = self._present_token(client)
                return request(client)

    def _client(self) -> Any:
        try:
            import hvac
        except ImportError:
            raise LibraryMissing("secrets of Vault need `platform-assets[vault]` (hvac)") from None
        settings = self._settings
        verify: bool | str = True if settings.ca_file is None else str(settings.ca_file)
        return hvac.Client(url=settings.address, namespace=settings.namespace, verify=verify, timeout=TIMEOUT_SECONDS)

    def _present_token(self, client: Any) -> str:
        token = self._token
        if token is not None and not token.is_fresh and token.is_renewable and token.left_seconds > 0:
            token = self._token = self._renewed_token(client, token)
        if token is None or not token.is_fresh:
            with self._failures("the login"):
                auth = self._settings.login.lease(client)
            token = self._token = _Lease(
                auth,
                str(auth.get("accessor") or ""),
                float(auth.get("lease_duration") or 0),
                time.monotonic(),
                bool(auth.get("renewable")),
            )
        return str(token.content["client_token"])

    def _renewed_token(self, client: Any, token: _Lease) -> _Lease | None:
        from hvac.exceptions import Forbidden, InvalidRequest

        client.token = str(token.content["client_token"])
        try:
            auth = client.auth.token.renew_self()["auth"]
        except (Forbidden, InvalidRequest):
            return None
        return _Lease(
            token.content, token.identifier, float(auth["lease_duration"]), time.monotonic(), bool(auth["renewable"])
        )

    def _stored(self, client: Any) -> tuple[dict[str, str], str]:
        settings = self._settings
        where = f"{settings.mount}/{settings.path}"
        answer = client.secrets.kv.v2.read_secret_version(
            path=settings.path, mount_point=settings.mount, raise_on_deleted_version=True
        )
        data = answer["data"]
        if not isinstance(data.get("data"), dict) or "metadata" not in data:
            raise SecretsMisshapen(
                f"{where} of {settings.address} is no secret of the KV engine, version 2: check `mount`"
            )
        return texts(data["data"], f"{where} of {settings.address}"), f"{data['metadata']['version']}"

    def _leased(self, client: Any, path: str) -> _Lease:
        kept = self._leases.get(path)
        if kept is not None and not kept.is_fresh:
            kept = self._renewed_lease(client, kept)
        if kept is None:
            answer = client.read(path)
            if answer is None or not answer.get("data"):
                raise SecretsMissing(
                    f"{path} of {self._settings.address} gives no credentials. Correct `leased` or make the role"
                )
            kept = _Lease(
                answer["data"],
                answer["lease_id"],
                float(answer["lease_duration"]),
                time.monotonic(),
                answer["renewable"],
            )
        self._leases[path] = kept
        return kept

    def _renewed_lease(self, client: Any, lease: _Lease) -> _Lease | None:
        """The lease for longer; None where its longest time comes near, and other credentials are wanted."""
        from hvac.exceptions import Forbidden, InvalidRequest

        if not lease.is_renewable or lease.left_seconds <= 0:
            return None
        try:
            answer = client.sys.renew_lease(lease_id=lease.identifier, increment=int(lease.seconds))
        except (Forbidden, InvalidRequest):
            return None
        granted = float(answer["lease_duration"])
        if granted <= lease.seconds * RENEW_BELOW_SHARE:
            return None
        return _Lease(
            lease.content,
            lease.identifier,
            lease.seconds,
            time.monotonic() - (lease.seconds - granted),
            lease.is_renewable,
        )

    def _filled(self, text: str, fields: Mapping[str, Any], path: str) -> str:
        """A value with the fields in it, written as parts of an address are."""
        lacking = sorted(set(_PLACE.findall(text)) - set(fields))
        if lacking:
            raise SecretsMisshapen(
                f"{path} of {self._settings.address} has no {', '.join(lacking)}; it has {', '.join(sorted(fields))}"
            )
        is_address = "://" in text
        return _PLACE.sub(
            lambda name: quote(str(fields[name[1]]), safe="") if is_address else str(fields[name[1]]), text
        )

    @contextmanager
    def _failures(self, what: str) -> Iterator[None]:
        """hvac's errors as errors of secrets."""
        try:
            import requests
            from hvac import exceptions
        except ImportError:
            raise LibraryMissing("secrets of Vault need `platform-assets[vault]` (hvac)") from None
        where = self._settings.address
        try:
            yield
        except (exceptions.Forbidden, exceptions.Unauthorized):
            raise SecretsDenied(
                f"Vault at {where} refuses {what} of {self.place}. Check role, policy and what the login shows"
            ) from None
        except exceptions.InvalidPath:
            raise SecretsMissing(
                f"Vault holds nothing at {self.place}, or its newest version was deleted. Write it again"
            ) from None
        except exceptions.InvalidRequest as error:
            reason = "; ".join(map(str, error.errors or ())) or "it is invalid"
            raise SecretsDenied(
                f"Vault at {where} refuses {what}: {reason}. A secret id may have expired or been used up"
            ) from None
        except exceptions.VaultDown:
            raise SecretsUnreachable(f"Vault at {where} is sealed or stands by. Unseal it") from None
        except exceptions.VaultError as error:
            raise SecretsUnreachable(
                f"Vault at {where} failed {what} ({type(error).__name__}). Look at its log"
            ) from None
        except requests.exceptions.RequestException as error:
            raise SecretsUnreachable(
                f"Vault at {where} does not answer ({type(error).__name__}). Check address and certificate"
            ) from None
