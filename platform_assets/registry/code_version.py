"""Which code made a result.

Belongs here: the version of this package's code. Does not belong here: versions of data, libraries or features.
"""

import hashlib
from functools import cache
from pathlib import Path


@cache
def code_version() -> str:
    """What the code of this package is, for lineage: a digest of its Python files.

    It is the same for a checkout and for an installed package, and differs as soon as a line does.
    """
    root = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]
