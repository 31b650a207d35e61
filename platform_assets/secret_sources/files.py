"""Secrets in files of this machine: a folder with a file for each, or one JSON file.

Belongs here: this source, and reading such a folder. Does not belong here: mounted Secrets, whose rights are the kubelet's
(`kubernetes.py` reads them by the same code), or writing a folder (`delivered.py`).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from pydantic import model_validator

from platform_assets.secret_sources.base import VARIABLE_NAME, SecretBundle, SourceSettings, texts_of_document
from platform_assets.secret_sources.errors import SecretsDenied, SecretsMisshapen, SecretsMissing, SecretsUnreachable

_DATA = "..data"
"""What the kubelet points to a new folder with when a mounted Secret changes: all its files change at once."""
_MOST_BYTES = 2**20


class FilesSettings(SourceSettings):
    """`{"kind": "file", "folder": "/run/secrets"}` with a file for each variable, or `{"kind": "file", "path": "/etc/secrets.json"}`."""

    kind: Literal["file"]
    folder: Path | None = None
    path: Path | None = None
    refresh_seconds: float = 1.0

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.folder is None) == (self.path is None):
            raise ValueError("name either `folder`, with a file for each variable, or `path`, a JSON file")
        place = self.folder or self.path
        if place is not None and not place.is_absolute():
            raise ValueError(f"{place} is not an absolute path")
        return self

    def opened(self, environment: Mapping[str, str]) -> FileSource:
        """As `SourceSettings.opened`."""
        return FileSource(self.folder, self.path)

    @property
    def folder_of_services(self) -> Path | None:
        """As `SourceSettings.folder_of_services`: services on this machine read the folder itself."""
        return self.services or self.folder


@dataclass(frozen=True)
class FileSource:
    """Files that only their owner may read.

    Attributes:
        folder: with a file for each variable; None where one file holds all.
        path: the file that holds all, as JSON.
        private: whether files that others may read are refused.
    """

    folder: Path | None = None
    path: Path | None = None
    private: bool = True

    @property
    def place(self) -> str:
        """As `SecretSource.place`."""
        return str(self.folder or self.path)

    def read(self) -> SecretBundle:
        """As `SecretSource.read`."""
        if self.path is not None:
            text, changed = self._text(self.path)
            return SecretBundle(texts_of_document(text, str(self.path)), str(changed))
        folder = self._snapshot(Path(str(self.folder)))
        values: dict[str, str] = {}
        newest = 0
        for path in sorted(folder.iterdir()):
            if VARIABLE_NAME.fullmatch(path.name) and path.is_file():
                text, changed = self._text(path)
                values[path.name], newest = text.removesuffix("\n"), max(newest, changed)
        if not values:
            raise SecretsMissing(
                f"{self.place} holds no file whose name is one of a variable: write one for each secret"
            )
        return SecretBundle(values, str(newest))

    def _snapshot(self, folder: Path) -> Path:
        try:
            os.stat(folder)
            inner = folder / _DATA
            found = inner.resolve(strict=True) if inner.is_symlink() else folder
            if not os.access(found, os.R_OK | os.X_OK):
                raise PermissionError(13, "Permission denied")
        except FileNotFoundError:
            raise SecretsMissing(
                f"the folder {folder} does not exist: mount it, or write the secrets into it"
            ) from None
        except PermissionError as error:
            raise SecretsDenied(f"this process may not list {folder}: give its user the right to") from error
        except OSError as error:
            raise SecretsUnreachable(f"{folder} cannot be read: {error.strerror}") from error
        if not found.is_dir():
            raise SecretsMisshapen(f"{folder} is no folder: name a JSON file as `path`")
        return found

    def _text(self, path: Path) -> tuple[str, int]:
        try:
            with path.open("rb") as file:
                status = os.fstat(file.fileno())
                data = file.read(_MOST_BYTES + 1)
        except FileNotFoundError:
            raise SecretsMissing(f"{path} does not exist: write it, or correct the setting") from None
        except PermissionError as error:
            raise SecretsDenied(f"this process may not read {path}: give it to this user") from error
        except OSError as error:
            raise SecretsUnreachable(f"{path} cannot be read: {error.strerror}") from error
        if self.private and status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise SecretsDenied(f"others may read {path}: `chmod 600 {path}` makes it its owner's alone")
        if len(data) > _MOST_BYTES:
            raise SecretsMisshapen(f"{path} is larger than {_MOST_BYTES} bytes: this is no secret")
        try:
            return data.decode("utf-8"), status.st_mtime_ns
        except UnicodeDecodeError:
            raise SecretsMisshapen(f"{path} is not UTF-8: store texts; keys of another form as base64") from None
