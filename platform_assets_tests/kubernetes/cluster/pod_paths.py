"""A pod has no file system of its own: the paths of its mounts are replaced by folders of this machine, wherever its spec names them.

Belongs here: the translation of text. Does not belong here: what is in the folders (`volumes.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping


class PodPaths:
    """Replaces paths as a container sees them by paths of this machine, the longest first."""

    def __init__(self, paths: Mapping[str, str]) -> None:
        """Args:
        paths: path in the container to path here.
        """
        self._paths = {inside.rstrip("/"): here for inside, here in paths.items() if inside.rstrip("/")}
        names = sorted(map(re.escape, self._paths), key=len, reverse=True)
        # A path begins where no other path is in the middle of, save behind the slashes of a URL's scheme, and ends at a
        # slash or where a name ends.
        self._pattern = (
            re.compile(rf"(?:(?<![\w.\-/])|(?<=:/)|(?<=://)|(?<=:///))({'|'.join(names)})(?![\w.\-])")
            if names
            else None
        )

    def here(self, text: str) -> str:
        """The text with each path of a mount replaced."""
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda match: self._paths[match[1]], text)

    def __contains__(self, path: str) -> bool:
        return path.rstrip("/") in self._paths
