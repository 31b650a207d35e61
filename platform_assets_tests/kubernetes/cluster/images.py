"""Images: a name stands for folders and an interpreter of this machine; nothing is pulled and nothing is unpacked.

Belongs here: what an image gives a container. Does not belong here: the container (`containers.py`).
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_NAME = re.compile(r"^[a-z0-9]([a-z0-9._:/-]*[a-z0-9])?(:[\w][\w.-]*)?(@sha256:[0-9a-f]{64})?$", re.IGNORECASE)


@dataclass(frozen=True)
class Image:
    """One image.

    Attributes:
        python: interpreter that stands for `python` and `python3`.
        files: path in the image to a folder or file of this machine.
        environment: variables that a container has unless its spec says otherwise.
        command: what runs where the spec names no command (its entry point).
        working_folder: path in the image; "" for the pod's own folder.
    """

    python: str = sys.executable
    files: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    working_folder: str = ""


class Images:
    """The images that exist, and those whose registry does not answer for a while."""

    def __init__(self, images: Mapping[str, Image]) -> None:
        self._images = dict(images)

    @classmethod
    def read(cls, path: Path | None) -> Images:
        """From a JSON file: name → {"python": ..., "files": {...}, "environment": {...}, "command": [...]}.

        Raises:
            ValueError: an image has a key that is not known.
        """
        if path is None:
            return cls({})
        return cls({name: image_of(name, values) for name, values in json.loads(path.read_text()).items()})

    def add(self, name: str, image: Image) -> None:
        self._images[name] = image

    def remove(self, name: str) -> None:
        self._images.pop(name, None)

    def find(self, name: str) -> Image | None:
        """An image by its name, with or without its digest; None where no registry has it."""
        for candidate in (name, name.partition("@")[0]):
            if candidate in self._images:
                return self._images[candidate]
        return None


def image_of(name: str, values: Mapping[str, Any]) -> Image:
    """An image as JSON describes it.

    Raises:
        ValueError: it has a key that is not known.
    """
    unknown = set(values) - set(Image.__dataclass_fields__)
    if unknown:
        raise ValueError(f"image {name}: unknown {', '.join(sorted(unknown))}")
    return Image(**{**values, "command": tuple(values.get("command", ()))})


def is_valid_name(name: str) -> bool:
    return bool(_NAME.match(name))


def not_found(name: str) -> str:
    """The kubelet's words for an image that its registry does not have."""
    repository = name if ":" in name.rpartition("/")[2] or "@" in name else f"{name}:latest"
    return (
        f'failed to pull and unpack image "{repository}": failed to resolve reference "{repository}": '
        f"{repository}: not found"
    )
