"""Options that follow a source: a mapping that is made anew when what was read has changed.

Belongs here: that mapping. Does not belong here: what the options are for, or when a source is read (`kept.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from platform_assets.secret_sources.base import SecretBundle
from platform_assets.secret_sources.kept import KeptSecrets


class PresentOptions(Mapping[str, str]):
    """Options as the secrets are now, for whoever lives longer than one password. A copy in another process is a plain dictionary."""

    def __init__(self, kept: KeptSecrets, made: Callable[[], Mapping[str, str]]) -> None:
        """Take the source, and how options are made; nothing is read."""
        self._kept, self._made = kept, made
        self._of: SecretBundle | None = None
        self._options: Mapping[str, str] = {}

    def __getitem__(self, name: str) -> str:
        """An option."""
        return self._present()[name]

    def __iter__(self) -> Iterator[str]:
        """The names."""
        return iter(self._present())

    def __len__(self) -> int:
        """How many there are."""
        return len(self._present())

    def __repr__(self) -> str:
        """Nothing of what is in it."""
        return f"options from {self._kept.source.place}"

    def __reduce__(self) -> tuple[type, tuple[dict[str, str]]]:
        """As it is now."""
        return dict, (dict(self._present()),)

    def _present(self) -> Mapping[str, str]:
        bundle = self._kept.bundle()
        if bundle is not self._of:
            self._options, self._of = self._made(), bundle
        return self._options
