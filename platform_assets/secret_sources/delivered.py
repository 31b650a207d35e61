"""Secrets written into a folder for those that read files: services, Alertmanager, an agent-less machine's other programs.

Belongs here: the folder, changed as a whole. Does not belong here: reading it (`files.py`), or when it is written.

It is laid out as the kubelet lays out a mounted Secret: the files lie in a folder of their own, `..data` points to it, and each name to
the file below that. One rename changes all of them at once.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from platform_assets.secret_sources.errors import SecretsUnreachable

DATA = "..data"
_BEGIN = "..made-"


def deliver(values: Mapping[str, str], folder: Path) -> bool:
    """Write secrets into a folder that is its owner's alone; what is no longer among them is taken away.

    Args:
        values: texts by name.
        folder: made when missing.

    Returns:
        Whether something changed.

    Raises:
        SecretsUnreachable: the folder cannot be written.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        if delivered(folder) == dict(values):
            return False
        made = Path(tempfile.mkdtemp(prefix=_BEGIN, dir=folder))
        for name, text in values.items():
            with open(os.open(made / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
                file.write(text)
        _point(folder / DATA, made.name)
        for name in values:
            if not (folder / name).is_symlink():
                _point(folder / name, f"{DATA}/{name}")
        for path in folder.iterdir():
            if path.is_symlink() and path.name != DATA and path.name not in values:
                path.unlink()
            elif path.name.startswith(_BEGIN) and path.name != made.name:
                shutil.rmtree(path, ignore_errors=True)
    except OSError as error:
        raise SecretsUnreachable(
            f"secrets cannot be written to {folder}: {error.strerror}. Name a folder of this user"
        ) from error
    return True


def delivered(folder: Path) -> dict[str, str]:
    """What lies in the folder; nothing where it was never written."""
    data = folder / DATA
    return {path.name: path.read_text(encoding="utf-8") for path in data.iterdir()} if data.is_dir() else {}


def _point(link: Path, target: str) -> None:
    """Let a symbolic link point somewhere, in one step."""
    new = link.with_name(f"{_BEGIN}link-{os.getpid()}")
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.replace(link)
