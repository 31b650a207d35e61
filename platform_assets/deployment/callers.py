"""Who may call the services of an installation: whether callers are checked, the tokens they are known by, and the address's certificates.

Belongs here: the installation's side of it, and what people are told. Does not belong here: what a use case requires
(`declaration/sections/callers.py`), and the proxy's format (`local/envoy_config/callers.py`).

A token is shown nowhere: not in a declaration, a process list, a log, a status or a `repr`. Files that hold one are their owner's alone.
"""

from __future__ import annotations

import json
import re
import ssl
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    TypeAdapter,
    ValidationError,
    field_serializer,
    model_validator,
)

from platform_assets.declaration.sections.callers import CallerName, Callers
from platform_assets.deployment.errors import DeploymentError

SHORTEST_TOKEN, LONGEST_TOKEN = 16, 512
TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]+")
"""What may stand behind `Bearer` (RFC 6750)."""
PLATFORM = "platform"
"""No caller has this name."""


class CallersUnusable(DeploymentError):
    """Tokens or certificates of callers cannot be used; the message names the setting, and never a token."""


class AddressTls(BaseModel):
    """Certificates of the address.

    Attributes:
        certificate: file of the address's own certificate, its chain included.
        key: file of its private key.
        client_ca: file of the authorities whose certificates callers show; None where no use case asks for certificates.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    certificate: Path
    key: Path
    client_ca: Path | None = None

    @model_validator(mode="after")
    def _files(self) -> Self:
        for name in ("certificate", "key", "client_ca"):
            path: Path | None = getattr(self, name)
            if path is not None and not (path.is_absolute() and path.is_file()):
                raise ValueError(f"{name}: {path} is not the absolute path of a file")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        for name in ("certificate", "key", "client_ca"):
            try:
                if name == "key":
                    context.load_cert_chain(self.certificate, self.key, password="")
                elif getattr(self, name) is not None:
                    context.load_verify_locations(getattr(self, name))
            except (OSError, ssl.SSLError) as error:  # a mismatch, no PEM, a password, nothing that may be read
                raise ValueError(f"{name}: {getattr(self, name)} cannot be used: {error.strerror or error}") from error
        return self


class CallerAccess(BaseModel):
    """Whether callers are checked, and by what.

    Attributes:
        checked: whether they are.
        tokens: of each caller; several while one takes the place of another.
        tls: certificates of the address; None for one that speaks plain HTTP.
        salt: goes into what anybody may read that was made from tokens, so that none can be guessed from it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    checked: bool = False
    tokens: dict[CallerName, tuple[SecretStr, ...]] = Field(default_factory=dict, repr=False)
    tls: AddressTls | None = None
    salt: str = Field(default="", repr=False)

    @model_validator(mode="after")
    def _usable(self) -> Self:
        seen: dict[str, str] = {}
        for caller, token in self.known_tokens():
            if caller == PLATFORM:
                raise ValueError(f"no caller may be called {PLATFORM}")
            if not (SHORTEST_TOKEN <= len(token) <= LONGEST_TOKEN and TOKEN.fullmatch(token)):
                raise ValueError(
                    f"a token of {caller} has not {SHORTEST_TOKEN} to {LONGEST_TOKEN} letters, digits and . _ ~ + / = -"
                )
            if token in seen:
                raise ValueError(f"{seen[token]} and {caller} have the same token")
            seen[token] = caller
        return self

    @field_serializer("tokens")
    def _plain(self, tokens: Mapping[str, tuple[SecretStr, ...]]) -> dict[str, list[str]]:
        return {caller: [token.get_secret_value() for token in own] for caller, own in tokens.items()}

    def known_tokens(self) -> Iterator[tuple[str, str]]:
        """Every caller with each of its tokens."""
        for caller, own in sorted(self.tokens.items()):
            for token in own:
                yield caller, token.get_secret_value()


UNCHECKED = CallerAccess()


def scheme(access: CallerAccess) -> str:
    """What the address speaks."""
    return "https" if access.checked and access.tls is not None else "http"


def load_access(path: Path) -> CallerAccess:
    """What was stored; callers are not checked where nothing was.

    Raises:
        CallersUnusable: it cannot be used, for instance because a certificate is gone.
    """
    try:
        return CallerAccess.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return UNCHECKED
    except ValidationError as error:
        raise CallersUnusable(f"{path} cannot be used: {_reasons(error)}") from None


def parse_tokens(text: str, where: str) -> dict[str, list[str]]:
    """Tokens by caller, from JSON: `{"checkout": "..."}`, or a list of tokens while one takes the place of another.

    Raises:
        CallersUnusable: it is something else; its content is not shown.
    """
    try:
        given = TypeAdapter(dict[CallerName, str | list[str]]).validate_python(json.loads(text))
    except ValueError:
        raise CallersUnusable(
            f'{where} is not JSON of the form {{"caller": "token"}} or {{"caller": ["new token", "old token"]}}'
        ) from None
    return {caller: [own] if isinstance(own, str) else own for caller, own in given.items()}


def read_tokens(path: Path, where: str) -> dict[str, list[str]]:
    """Tokens by caller, from a file that only its owner can read.

    Raises:
        CallersUnusable: it cannot be read, others can read it, or it holds something else.
    """
    try:
        status = path.stat()
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise CallersUnusable(f"{where}: {path} cannot be read: {reason}") from error
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise CallersUnusable(f"{where}: others may read {path}; `chmod 600 {path}` makes it yours alone")
    return parse_tokens(text, f"{where}: {path}")


def with_file(tokens: Mapping[str, list[str]], path: Path | None, where: str) -> dict[str, list[str]]:
    """Tokens by caller, those of a file included.

    Raises:
        CallersUnusable: the file cannot be used.
    """
    more = {} if path is None else read_tokens(path, where)
    return {caller: [*tokens.get(caller, []), *more.get(caller, [])] for caller in {**tokens, **more}}


def make_access(checked: bool, tokens: Mapping[str, list[str]], tls: Mapping[str, Any] | None) -> CallerAccess:
    """An installation's access from its settings.

    Raises:
        CallersUnusable: a token is too short or known twice, or a certificate is no file.
    """
    try:
        return CallerAccess.model_validate({"checked": checked, "tokens": dict(tokens), "tls": tls})
    except ValidationError as error:
        raise CallersUnusable(f"callers cannot be checked with these settings: {_reasons(error)}") from None


def _reasons(error: ValidationError) -> str:
    """What is wrong, without any value."""
    return "; ".join(str(item["msg"]).removeprefix("Value error, ") for item in error.errors(include_input=False))


def problems_of(access: CallerAccess, required: Mapping[str, Callers]) -> tuple[str, ...]:
    """Why callers of a use case are all refused, each with what to do; nothing where callers are not checked."""
    if not access.checked:
        return ()
    problems = []
    by_token = [name for name, callers in required.items() if callers.auth == "token"]
    if by_token and not access.tokens:
        problems.append(
            f"callers of {', '.join(by_token)} need a token and none is known: set PLATFORM_ASSETS_CALLER_TOKENS_FILE and run "
            "`platform-assets callers apply`"
        )
    by_certificate = [name for name, callers in required.items() if callers.auth == "mtls"]
    if by_certificate and (access.tls is None or access.tls.client_ca is None):
        problems.append(
            f"callers of {', '.join(by_certificate)} need a certificate and no authority is known: set PLATFORM_ASSETS_CALLER_TLS with "
            "certificate, key and client_ca, and run `platform-assets callers apply`"
        )
    return tuple(problems)


def in_words(access: CallerAccess, required: Mapping[str, Callers]) -> str:
    """Whether callers are checked, for people."""
    if not access.checked:
        return (
            "callers are not checked: whoever reaches the address is answered; PLATFORM_ASSETS_CALLERS=on checks them "
            "(docs/operations/serving.md)"
        )
    ways = {
        "token": f"by token ({len(access.tokens)} known)",
        "mtls": "by certificate",
        "none": "not asked who they are",
    }
    each = "; ".join(f"{name}: {ways[callers.auth]}" for name, callers in sorted(required.items()))
    return f"callers are checked: {each or 'nothing is deployed'}"
