"""What can be left out of an installation, and what is said where it is missed.

Belongs here: each extra of the distribution with the modules that it brings, and the error that names it. Does not belong here: which
declaration needs which extra (`declaration/needed_extras.py`), how settings are read (`settings.py`), or the versions (`pyproject.toml`).

An extra counts as installed when every module of it is found; nothing is imported to find out.
"""

from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

DISTRIBUTION: Final = "platform-assets"
_IN_A_CHECKOUT: Final = (Path(__file__).parents[1] / "Makefile").exists()

EXTRAS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "serving": ("bentoml", "envoy", "feast", "redis", "supervisor", "grpc_tools"),
        "ui": ("dagster_webserver",),
        "torch": ("torch",),
        "evidently": ("evidently",),
        "onnx": ("onnx", "onnxruntime"),
        "kafka": ("confluent_kafka",),
        "postgresql": ("dagster_postgres", "psycopg"),
        "kubernetes": ("dagster_k8s", "kubernetes"),
        "s3": ("boto3",),
        "ray": ("ray",),
        "vault": ("hvac",),
        "wandb": ("wandb",),
    }
)
"""Modules by the extra that brings them, without what the core has as well. `[project.optional-dependencies]` has the same extras; a test
holds the two together."""

APART: Final = ("wandb",)
"""Extras that `all` leaves out and requirements.lock does not have: trackers that only some use cases name."""

NEEDED_BY_SETTINGS: Final = (
    ("mlflow", "postgres", "postgresql"),
    ("feast_registry", "postgres", "postgresql"),
    ("target", "kubernetes", "kubernetes"),
    ("executor", "kubernetes", "kubernetes"),
    ("mlflow_artifacts", "s3://", "s3"),
    ("ray_address", "", "ray"),
)
"""A setting, how its value begins, and the extra that such a value needs."""


class ExtraMissing(ValueError):
    """Something that is declared or asked for needs an extra that is not installed; the message says how to install it."""


class NeededExtra(NamedTuple):
    """An extra, and what needs it."""

    extra: str
    needed_by: str
    """For people, for example `learner neural_network (torch_mlp)`."""


def lacking(extra: str) -> tuple[str, ...]:
    """The modules of an extra that are not installed."""
    return tuple(module for module in EXTRAS[extra] if not _is_there(module))


def require_extras(needed: Iterable[NeededExtra], who: str = "") -> None:
    """Refuse to go on without what is needed.

    Args:
        needed: each extra with what needs it.
        who: begins the message, for example the name of a use case.

    Raises:
        ExtraMissing: an extra is not installed; one message names all of them, what needs each, and one command.
    """
    reasons: dict[str, list[str]] = {}
    for one in needed:
        if lacking(one.extra):
            reasons.setdefault(one.extra, []).append(one.needed_by)
    if not reasons:
        return
    told = "; ".join(
        f"{', '.join(dict.fromkeys(by))} needs the extra `{extra}` ({', '.join(lacking(extra))} not installed)"
        for extra, by in reasons.items()
    )
    all_of_them = ", or `make setup` for everything" if _IN_A_CHECKOUT else ""
    raise ExtraMissing(
        f"{who + ': ' if who else ''}{told}: pip install '{DISTRIBUTION}[{','.join(reasons)}]'{all_of_them}"
    )


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ValueError:  # in `sys.modules` without a spec, as a test's stand-in
        return True
