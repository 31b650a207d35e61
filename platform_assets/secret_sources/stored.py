"""What the secret managers of the clouds have in common: texts under names of their own, each with a version.

Belongs here: which stored texts a setting names, and the bundle that is made of them. Does not belong here: fetching one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

from pydantic import Field, model_validator

from platform_assets.secret_sources.base import SecretBundle, SourceSettings, VariableName, texts_of_document


@dataclass(frozen=True)
class StoredText:
    """A secret as a manager holds it.

    Attributes:
        text: its content; never shown.
        version: its version there.
        valid_seconds: how long it holds; None without end.
    """

    text: str = field(repr=False)
    version: str
    valid_seconds: float | None = None


class StoredSettings(SourceSettings):
    """Which stored texts are read: one that holds all as JSON (`document`), or one for each variable (`values`), or both."""

    document: str | None = Field(
        default=None, min_length=1, description="A secret that holds a JSON object: a text for each variable."
    )
    values: dict[VariableName, str] = Field(
        default_factory=dict, description="Names of secrets, by the variable that each stands for."
    )

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.document is None and not self.values:
            raise ValueError("name a secret: `document`, a JSON object, or `values`, a secret for each variable")
        return self

    def bundle(self, fetch: Callable[[str], StoredText]) -> SecretBundle:
        """All that is named, fetched one after the other; what has a secret of its own goes before the document's."""
        values: dict[str, str] = {}
        versions: list[str] = []
        ends: list[float] = []
        if self.document is not None:
            stored = fetch(self.document)
            values |= texts_of_document(stored.text, f"the secret {self.document}")
            versions.append(stored.version)
            ends += [] if stored.valid_seconds is None else [stored.valid_seconds]
        for variable, name in self.values.items():
            stored = fetch(name)
            values[variable] = stored.text
            versions.append(stored.version)
            ends += [] if stored.valid_seconds is None else [stored.valid_seconds]
        return SecretBundle(values, " ".join(versions), min(ends, default=None))
