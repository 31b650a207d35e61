"""Which extra of this package brings a library that is not installed.

Belongs here: the answer, from the package's own metadata. Does not belong here: the extras themselves (`pyproject.toml`).
"""

import re
from importlib.metadata import PackageNotFoundError, requires

DISTRIBUTION = "platform-assets"
EVERYTHING = "all"
"""The extra of all others."""
_EXTRA = re.compile(r"""extra\s*==\s*["']([A-Za-z0-9._-]+)["']""")
_NAME = re.compile(r"[A-Za-z0-9._-]+")


def extra_with(module: str) -> str | None:
    """The extra that brings a module, by the names of its packages; None where none does."""
    wanted = module.partition(".")[0].lower().replace("_", "-")
    try:
        requirements = requires(DISTRIBUTION) or []
    except PackageNotFoundError:
        return None
    found: list[str] = []
    for requirement in requirements:
        name, extra = _NAME.match(requirement), _EXTRA.search(requirement)
        if name is None or extra is None:
            continue
        package = name[0].lower().replace("_", "-")
        if package == wanted or package.startswith(f"{wanted}-"):
            found.append(extra[1])
    return min(
        found, key=lambda extra: extra == EVERYTHING, default=None
    )  # the metadata spells out `all`, and before others


def sentence_of_missing(module: str) -> str:
    """What is not installed, and the command that installs it."""
    extra = extra_with(module)
    package = f"'{DISTRIBUTION}[{extra}]'" if extra else module.partition(".")[0]
    return f"the library {module.partition('.')[0]!r} is not installed, and this needs it: pip install {package}"
