"""What the images carry: the libraries of any release that this code can pack, and those of the platform itself.

Belongs here: the pinned lists, and the files of ours that lie in the runtime image beside them. Does not belong here: building images
(`deploy/images/`), and what one release requires (`sources.py`).

`python -m platform_assets.deployment.packaging.runtime_image` writes the lists below `deploy/images/`; a test holds them to it.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

from platform_assets.deployment.packaging.sources import (
    ENTRY_POINTS,
    STREAM_DOOR,
    requirements,
    service_modules,
    third_party,
)
from platform_assets.training.learners import LEARNERS

EXTRAS = ("serving", "ui", "evidently", "onnx", "kafka", "postgresql", "kubernetes", "s3")
"""What an installation on a cluster has beyond the core: every extra but `ray`, and `torch` where networks are trained."""
DRIVERS = ("psycopg", "redis")
"""Database drivers that an installation's settings may ask for."""
FETCHING = ("serving/__init__.py", "serving/fetch_release.py", "serving/release_archive.py", "serving/release_cache.py")
"""The code of ours in the image, besides `start.py`: the rest of a service comes with its release."""


def runtime_requirements(source_root: Path) -> list[str]:
    """Pinned requirements of every release that can be built from these sources, whichever learner and store it has.

    Args:
        source_root: folder with the packages and `requirements.lock`.

    Raises:
        PackingError: the service's code imports what a service must not carry, or a library is not pinned.
    """
    modules = service_modules(source_root, (*ENTRY_POINTS, STREAM_DOOR))
    libraries = sorted({library for name in LEARNERS for library in LEARNERS[name].libraries})
    return requirements(third_party(modules), libraries, source_root / "requirements.lock", DRIVERS)


def platform_requirements(source_root: Path, torch: bool) -> list[str]:
    """Pinned requirements of the platform: Dagster, training, and the drivers of an installation on PostgreSQL and S3.

    Args:
        source_root: folder with `pyproject.toml` and `requirements.lock`.
        torch: whether networks can be trained.

    Raises:
        PackingError: a library is not pinned.
    """
    from packaging.requirements import Requirement

    project = tomllib.loads((source_root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = (*EXTRAS, "torch") if torch else EXTRAS
    texts = [*project["dependencies"], *(text for extra in extras for text in project["optional-dependencies"][extra])]
    wanted = list(map(Requirement, texts))
    modules = [requirement.name for requirement in wanted if requirement.extras]
    return requirements((), [one.name for one in wanted], source_root / "requirements.lock", modules)


def write_lists(source_root: Path) -> None:
    """Write the lists that images are built from, below `deploy/images/`."""
    without, complete = (platform_requirements(source_root, torch) for torch in (False, True))
    lists = {
        "serving/requirements.txt": runtime_requirements(source_root),
        "platform/requirements.txt": without,
        "platform/requirements-torch.txt": sorted(set(complete) - set(without)),
    }
    for name, lines in lists.items():
        path = source_root / "deploy" / "images" / name
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_lists(Path(__file__).resolve().parents[3])
