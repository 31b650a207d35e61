"""Gate `lint`: the Python and YAML files of a change can be read, and keep the rules of the repository.

Belongs here: asking ruff about Python, and reading YAML. Does not belong here: the rules (`pyproject.toml`).
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import yaml

from platform_assets.pipelines.change.gates.base import ChangeFinding
from platform_assets.pipelines.change.git import ChangeError
from platform_assets.pipelines.change.sides import RepositoryChange

_RUFF_SECONDS = 120.0


@dataclass(frozen=True)
class _Lint:
    about: str = "Python and YAML are well-formed and keep the repository's rules (ruff)"

    def judge(self, change: RepositoryChange) -> Iterator[ChangeFinding]:
        """Each finding of ruff in files that the change touches, and each YAML file that is none.

        Raises:
            ChangeError: ruff is not installed or says nothing that can be read.
        """
        there = [item.path for item in change.files if item.status != "D"]
        python = [path for path in there if path.endswith(".py")]
        yield from _ruff(change.after.root, python) if python else ()
        for path in there:
            # Declarations are looked at by `declarations`; templates are YAML only once they are filled in.
            if path.endswith((".yaml", ".yml")) and "/templates/" not in path and not path.endswith("/defs.yaml"):
                yield from _yaml(change.after.root, path)


def _ruff(root: Path, paths: list[str]) -> Iterator[ChangeFinding]:
    if find_spec("ruff") is None:
        raise ChangeError("ruff is not installed: `pip install ruff`, or `make setup`")
    command = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--no-cache",
        "--output-format",
        "json",
        "--force-exclude",
        *paths,
    ]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=_RUFF_SECONDS, check=False)
    try:
        findings = json.loads(done.stdout)
    except ValueError as error:
        raise ChangeError(f"ruff could not look: {done.stderr.strip()}") from error
    for item in findings:
        file = Path(item["filename"])
        path = file.relative_to(root).as_posix() if file.is_relative_to(root) else str(file)
        rule = item["code"] or "syntax"
        yield ChangeFinding(
            "", path, item["location"]["row"], f"{rule}: {item['message']}", "mend it; `ruff check --fix` mends some"
        )


def _yaml(root: Path, path: str) -> Iterator[ChangeFinding]:
    try:
        list(yaml.compose_all((root / path).read_text(encoding="utf-8"), Loader=yaml.SafeLoader))
    except UnicodeDecodeError as error:
        yield ChangeFinding("", path, 1, f"not UTF-8: {error}", "save it as UTF-8")
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        yield ChangeFinding("", path, mark.line + 1 if mark else 1, f"no YAML: {error}".replace("\n", " "), "mend it")


LINT = _Lint()
