"""Asking an HTTP interface for secrets: what is the same for Azure, Google and Kubernetes.

Belongs here: one request, and its failures as errors of secrets; a token that is kept until shortly before its end. Does not belong here:
addresses and forms of any one interface. The clouds' own client packages bring a hundred megabytes for two requests each.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from platform_assets.secret_sources.errors import SecretsDenied, SecretsMisshapen, SecretsMissing, SecretsUnreachable

TIMEOUT_SECONDS = 10.0
EARLY_SECONDS = 60.0
"""How long before its end a token is replaced."""
REFUSED, ABSENT = (400, 401, 403), 404


@dataclass(frozen=True)
class Token:
    """What a request is allowed by.

    Attributes:
        text: the token; never shown.
        ends_at: when it ends, on the monotonic clock; None for no end.
    """

    text: str = field(repr=False)
    ends_at: float | None = None

    def is_fresh(self) -> bool:
        """Whether it holds for some time yet."""
        return self.ends_at is None or time.monotonic() < self.ends_at - EARLY_SECONDS


@dataclass
class TokenHolder:
    """A token that is had anew when it nears its end or was refused."""

    login: Callable[[], Token]
    token: Token | None = None

    def text(self, anew: bool = False) -> str:
        """The token's text."""
        if anew or self.token is None or not self.token.is_fresh():
            self.token = self.login()
        return self.token.text


def token_of(answer: Mapping[str, Any], where: str) -> Token:
    """The token in an OAuth 2 answer.

    Raises:
        SecretsMisshapen: there is none.
    """
    text, seconds = answer.get("access_token"), answer.get("expires_in")
    if not isinstance(text, str) or not text:
        raise SecretsMisshapen(f"{where} answered without an access token")
    try:
        lasts = float(seconds) if isinstance(seconds, int | float | str) else None
    except ValueError:
        lasts = None
    return Token(text, None if lasts is None else time.monotonic() + lasts)


def asked(
    method: str,
    address: str,
    what: str,
    headers: Mapping[str, str] | None = None,
    form: Mapping[str, str] | None = None,
    certificates: Path | None = None,
    direct: bool = False,
) -> dict[str, Any]:
    """The JSON object that an interface answers with.

    Args:
        method: `GET` or `POST`.
        address: where.
        what: is asked for, for messages.
        headers: of the request.
        form: its body.
        certificates: file of the authorities that the interface's certificate is checked by; the usual ones without.
        direct: past every proxy that variables name: a machine's own metadata service and a cluster's API lie behind none.

    Raises:
        SecretsUnreachable: nobody answers, or with an error of theirs.
        SecretsDenied: the request is refused.
        SecretsMissing: there is no such thing.
        SecretsMisshapen: the answer is no JSON object.
    """
    import httpx

    try:
        with httpx.Client(timeout=TIMEOUT_SECONDS, verify=_verification(certificates), trust_env=not direct) as client:
            answer = client.request(method, address, headers=dict(headers or {}), data=dict(form) if form else None)
    except (httpx.HTTPError, OSError) as error:
        raise SecretsUnreachable(
            f"{what}: {address} does not answer ({type(error).__name__}). Check address and network"
        ) from None
    if answer.status_code in REFUSED:
        raise SecretsDenied(f"{what}: {address} refuses it ({answer.status_code}). Check the identity's rights")
    if answer.status_code == ABSENT:
        raise SecretsMissing(f"{what}: there is nothing at {address}. Store it, or correct the name")
    if answer.status_code != 200:
        raise SecretsUnreachable(f"{what}: {address} answered {answer.status_code}. Try again later")
    try:
        found = answer.json()
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise SecretsMisshapen(f"{what}: {address} answered something that is no JSON object. Is the address right?")
    return found


def _verification(certificates: Path | None) -> Any:
    import ssl

    return True if certificates is None else ssl.create_default_context(cafile=str(certificates))


def again_when_refused(holder: TokenHolder, request: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    """The answer to a request by token; a token that is refused is had anew, once.

    Raises:
        SecretsDenied: a new token is refused too.
    """
    try:
        return request(holder.text())
    except SecretsDenied:
        return request(holder.text(anew=True))
