"""What a reader needs beside the declaration: credentials, and patience with connections.

Belongs here: addresses and keys by the names that a declaration gives, options of object stores, and how often a lost
connection is tried again. Does not belong here: reading the environment (`settings.py` hands it in) and any
one kind of source.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from platform_assets.connectors.errors import SourceError
from platform_assets.declaration.sections.sources import Source

ATTEMPTS = 5
"""How often a read is tried when the connection is lost, the first time included: about 6 seconds in all."""

_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 4.0

Result = TypeVar("Result")


@dataclass(frozen=True)
class Access:
    """Credentials and addresses of an installation. Its values are secret: none stands in its `repr`."""

    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Environment variables, by the names that connectors give."""
    object_store: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Options of the object store, with the keys that deltalake's `storage_options` have."""

    def variable(self, source: Source, field_name: str, name: str) -> str:
        """The value of an environment variable that a connector names.

        Raises:
            SourceError: If it is not set.
        """
        value = self.variables.get(name, "").strip()
        if not value:
            raise SourceError(
                f"source '{source.name}': the environment variable {name}, named by connector.{field_name}, is not set. "
                f"Set it where the code location and its runs start, to the address with its credentials."
            )
        return value


NO_ACCESS = Access()
"""For sources on this machine."""


def with_patience(read: Callable[[], Result], is_lost: Callable[[BaseException], bool]) -> Result:
    """The result of `read`, tried again from the start with growing pauses while its connection is lost.

    `read` returns all or nothing, so nothing of a broken attempt is ever used.
    """
    from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

    retrying = Retrying(
        retry=retry_if_exception(is_lost),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_exponential_jitter(initial=_FIRST_PAUSE_SECONDS, max=_LONGEST_PAUSE_SECONDS, jitter=0.1),
        reraise=True,
    )
    return retrying(read)
