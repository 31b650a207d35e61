"""What a source of secrets is: something that gives a set of texts by name.

Belongs here: the interface and what it returns. Does not belong here: any one source, or how long what was read is kept (`kept.py`).

A source is read as a whole. A user and its password change together, and asking for one name at a time could pair an old one with
a new one. The names are those of environment variables, so that whatever reads a variable reads a secret in the same words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from platform_assets.secret_sources.errors import SecretsMisshapen

VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
VariableName = Annotated[str, Field(pattern=rf"^{VARIABLE_NAME.pattern}$")]


@dataclass(frozen=True)
class SecretBundle:
    """All secrets of a source, as they were at one moment.

    Attributes:
        values: by the name of the variable that each takes the place of; never shown.
        version: tells this content from an earlier one and gives nothing of it away.
        valid_seconds: how long the values hold from now on, by their shortest lease; None where they have none.
    """

    values: Mapping[str, str] = field(repr=False)
    version: str
    valid_seconds: float | None = None


class SecretSource(Protocol):
    """Gives all its secrets. `read` is called by one thread at a time."""

    @property
    def place(self) -> str:
        """Where it reads, for messages: an address or a path, without any secret."""
        ...

    def read(self) -> SecretBundle:
        """The secrets as they are now.

        Raises:
            SecretsMissing, SecretsDenied, SecretsExpired, SecretsUnreachable, SecretsMisshapen, LibraryMissing: see `errors.py`.
        """
        ...


class SourceSettings(BaseModel):
    """What `PLATFORM_ASSETS_SECRETS` says of a source; a kind adds what it needs. Nothing in it is secret: logins stand in files."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    kind: str
    refresh_seconds: float = Field(
        default=60.0, ge=1.0, description="How old what was read may be; a shorter lease counts first."
    )
    wins: Literal["environment", "source"] = Field(
        default="environment",
        description="What counts where a variable is set and the source has a secret of its name.",
    )
    services: Path | None = Field(
        default=None,
        description="A folder, best in memory, that `platform-assets secrets keep` writes what services need into, and they read.",
    )

    def opened(self, environment: Mapping[str, str]) -> SecretSource:
        """The source; nothing is read yet.

        Args:
            environment: of this process, for what logs in by variables.
        """
        raise NotImplementedError

    @property
    def folder_of_services(self) -> Path | None:
        """The folder that services read their credentials from while they run; None where they get them once, when they start."""
        return self.services


def texts_of_document(text: str | bytes, where: str) -> dict[str, str]:
    """Texts by name, from a JSON object. A value that is an object or a list is handed on as JSON.

    Raises:
        SecretsMisshapen: it is something else; nothing of it is shown.
    """
    try:
        document = json.loads(text)
    except ValueError:
        raise SecretsMisshapen(f"{where} is not JSON: store an object with a text for each variable's name") from None
    if not isinstance(document, dict):
        raise SecretsMisshapen(
            f"{where} is {type(document).__name__}: store an object with a text for each variable's name"
        )
    return texts(document, where)


def texts(document: Mapping[str, object], where: str) -> dict[str, str]:
    """A document whose names can be variables, with texts as values.

    Raises:
        SecretsMisshapen: a name or a value is something else; no value is shown.
    """
    found: dict[str, str] = {}
    for name, value in document.items():
        if not VARIABLE_NAME.fullmatch(name):
            raise SecretsMisshapen(
                f"{where}: {name!r} is no name of a variable; letters, digits and _ are, as in PLATFORM_ASSETS_MLFLOW"
            )
        if isinstance(value, dict | list):
            found[name] = json.dumps(value)
        elif isinstance(value, str):
            found[name] = value
        else:
            raise SecretsMisshapen(f"{where}: {name} is {type(value).__name__}; write it as text, in quotes")
    return found
