"""Machine code that an installation has compiled already, handed to a Bento with the same sources.

Belongs here: copying it where numba looks for it. Does not belong here: what is packed (`build.py`), or compiling
(`features/aggregation/compilation.py`).

numba keeps machine code in `__pycache__` beside the source, and takes it for the source's as long as size and time of the source are those
that it was compiled from. Every model is a Bento of its own: each of its processes would compile for ten seconds what is the same in all.
The code is no part of the release: the digest leaves `__pycache__` out, and on another kind of processor numba compiles again.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

_KEPT_IN = "__pycache__"
_INDEX, _CODE = ".nbi", ".nbc"


def hand_on_compiled(source_root: Path, code_folder: Path) -> int:
    """Copy the machine code of each packed module that is byte for byte the one it was compiled from.

    Args:
        source_root: folder with the packages, as installed.
        code_folder: the packed code of a Bento.

    Returns:
        How many modules have their machine code now; others are compiled when the service needs them.
    """
    modules = 0
    for packed in code_folder.rglob("*.py"):
        source = source_root / packed.relative_to(code_folder)
        kept = _machine_code(source)
        if not kept or source.read_bytes() != packed.read_bytes():
            continue
        folder = packed.parent / _KEPT_IN
        folder.mkdir(exist_ok=True)
        for file in kept:
            shutil.copyfile(file, folder / file.name)
        times = source.stat()
        os.utime(packed, ns=(times.st_atime_ns, times.st_mtime_ns))
        modules += 1
    return modules


def _machine_code(source: Path) -> list[Path]:
    """numba's files of a module: the code before the indexes that name it."""
    folder, begin = source.parent / _KEPT_IN, f"{source.stem}."
    if not source.is_file() or not folder.is_dir():
        return []
    files = [file for file in folder.iterdir() if file.name.startswith(begin) and file.suffix in {_INDEX, _CODE}]
    return sorted(files, key=lambda file: (file.suffix == _INDEX, file.name))
