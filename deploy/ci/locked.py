"""The part of requirements.lock that an installation with some extras has, without resolving anything again.

Belongs here: reading the lock's own `# via` lines. Does not belong here: making the lock (`make lock`), or installing.

    python deploy/ci/locked.py                  # the core
    python deploy/ci/locked.py serving torch    # with these extras
    python deploy/ci/locked.py all              # with every extra; the tools of the tests (group `dev`) are in none

Needs nothing but Python 3.11: it runs before there is an environment.
"""

import re
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==\S+")
_VIA = re.compile(r"^ +# +(?:via +)?([A-Za-z0-9._-]+)(?: \(.*\))?$")
_BRACKETS = re.compile(r"\[([^\]]+)\]")
_NAME = re.compile(r"^[A-Za-z0-9._-]+")


def normal(name: str) -> str:
    """A distribution's name as all spell it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins_of(lock: str, first: Iterable[str]) -> list[str]:
    """The pins of these distributions and of all that they need.

    Args:
        lock: text of requirements.lock, with its `# via` lines.
        first: names of distributions.

    Raises:
        ValueError: one of them is not pinned.
    """
    pins: dict[str, str] = {}
    needed: dict[str, set[str]] = {}
    name = ""
    for line in lock.splitlines():
        if match := _PIN.match(line):
            name = normal(match[1])
            pins[name] = line.split(" #")[0].strip()
        elif (match := _VIA.match(line)) and match[1] != "via":
            needed.setdefault(normal(match[1]), set()).add(name)
    waiting = [normal(one) for one in first]
    if missing := sorted({*waiting} - {*pins}):
        raise ValueError(f"requirements.lock does not pin {', '.join(missing)}: make lock")
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in pins and name not in found:
            found.add(name)
            waiting += needed.get(name, ())
    return [pins[name] for name in sorted(found)]


def first_of(project: dict[str, object], extras: Iterable[str]) -> list[str]:
    """What the project itself asks for, with these extras.

    Raises:
        ValueError: there is no such extra.
    """
    optional: dict[str, list[str]] = dict(project["optional-dependencies"])  # type: ignore[call-overload]
    everything = _BRACKETS.findall(" ".join(optional.pop("all")))  # an extra that no lock pins stands outside it
    chosen = list(extras)
    if chosen == ["all"]:
        chosen = [extra.strip() for extras_of in everything for extra in extras_of.split(",")]
    if unknown := sorted({*chosen} - {*optional}):
        raise ValueError(f"there is no extra {', '.join(unknown)}; there are {', '.join(optional)}, all")
    texts = [*project["dependencies"], *(text for extra in chosen for text in optional[extra])]  # type: ignore[misc]
    return [match[0] for text in texts if (match := _NAME.match(text))]


def main() -> int:
    """The command."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    try:
        pins = pins_of(lock, first_of(project, sys.argv[1:]))
    except ValueError as error:
        sys.stderr.write(f"locked.py: {error}\n")
        return 1
    sys.stdout.write("\n".join(pins) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
