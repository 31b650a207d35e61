"""Turn `pip config list` into a pip.conf for a build, and say which folders it names.

Belongs here: that translation. Does not belong here: building (`build.sh`).

    pip config list | python3 pip_settings.py PIP_CONF [--uv UV_TOML]

Prints the local paths that the settings name, one a line: the build has to mount them.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from pathlib import Path

LEFT_OUT = {"cache-dir", "user", "require-virtualenv", "target", "prefix", "root", "progress-bar", "quiet", "verbose"}
"""Settings about this machine's own environments."""


def main(arguments: list[str]) -> int:
    """Write the file; a variable (`:env:`) stands above a file's setting, as for pip itself."""
    settings: dict[str, str] = {}
    for line in sys.stdin:
        match = re.fullmatch(r"(global|install|:env:)\.([\w-]+)=(.*)", line.strip())
        if match is None or match[2] in LEFT_OUT:
            continue
        if match[1] == ":env:" or match[2] not in settings:
            settings[match[2]] = str(ast.literal_eval(match[3]))
    lines = [f"{name} = " + "\n    ".join(value.split()) for name, value in sorted(settings.items())]
    Path(arguments[0]).write_text("[global]\n" + "\n".join(lines) + "\n", encoding="utf-8")
    if "--uv" in arguments:
        Path(arguments[arguments.index("--uv") + 1]).write_text(_for_uv(settings), encoding="utf-8")
    named = {word.removeprefix("file://") for value in settings.values() for word in value.split()}
    paths = {_top(Path(word)) for word in named if word.startswith("/") and Path(word).exists()}
    sys.stdout.writelines(f"{path}\n" for path in sorted(paths))
    return 0


def _for_uv(settings: dict[str, str]) -> str:
    """The index and folders in uv's own settings file; what pip has as extra indices, uv would ask first and alone."""
    known = {
        "index-url": settings.get("index-url"),
        "find-links": settings.get("find-links", "").split() or None,
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in known.items() if value]
    return "\n".join(["native-tls = true", *lines, ""])


def _top(path: Path) -> Path:
    """The path itself; of an index that has its files beside it, the folder of both."""
    return path.parent if path.name == "simple" else path


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
