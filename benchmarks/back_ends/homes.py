"""The homes that are held against each other: settings alone tell them apart, and for one a declaration with more processes and a topic.

Belongs here: settings, the servers behind them, and running `platform-assets` there. Does not belong here: what is asked of a home
(`questions.py`), or the comparison (`__main__.py`).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from platform_assets.testing.child_process import ROOT
from platform_assets.testing.kafka_broker import KafkaBroker, kafka_broker
from platform_assets.testing.servers import free_port, postgresql, redis, s3

USE_CASE = "card_fraud"
SMALL_WORLD = {
    "PLATFORM_ASSETS_SIMULATION": '{"customers": 1000, "terminals": 2000}',
    "PLATFORM_ASSETS_REPLAYED_REQUESTS": "500",
}
MANY = 4
"""Processes of the declaration that is changed; the default is two."""
BROKERS, EVENTS, PREDICTIONS = "BACK_ENDS_BROKERS", "payments", "payment-scores"
COPIED = (
    "platform_assets",
    "serving",
    "deploy",
    "dagster.yaml",
    "workspace.yaml",
    "pyproject.toml",
    "requirements.lock",
)


@dataclass(frozen=True)
class Home:
    """One way to run the same use case.

    Attributes:
        title: what it runs on.
        settings: the variables that make it so.
        code: the folder that the packages are imported from.
        processes: of its service.
        broker: where its stream is scored, if it has one.
    """

    title: str
    settings: Mapping[str, str]
    code: Path = ROOT
    processes: int = 2
    broker: KafkaBroker | None = None
    environment: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        """What its processes are given."""
        paths = f"{self.code}{os.pathsep}{os.environ.get('PYTHONPATH', '')}".rstrip(os.pathsep)
        object.__setattr__(self, "environment", {**os.environ, **self.settings, "PYTHONPATH": paths})

    def command(self, *words: str) -> None:
        """Run `platform-assets`.

        Raises:
            SystemExit: it failed; with the end of what it printed.
        """
        Path(self.settings["PLATFORM_ASSETS_DAGSTER"]).mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            program(*words),
            env=self.environment,
            cwd=self.code,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        if done.returncode != 0:
            raise SystemExit(
                f"{self.title}: platform-assets {' '.join(words)} ended with {done.returncode}:\n{done.stdout[-4000:]}"
            )


def program(*words: str) -> list[str]:
    """`platform-assets` of the packages that `PYTHONPATH` names first."""
    return [sys.executable, "-m", "platform_assets.cli", *words]


def homes(scratch: Path, stack: ExitStack) -> list[Home]:
    """The embedded default first; servers are started, and stopped with the stack."""
    production = _elsewhere(scratch / "elsewhere", stack)
    broker = stack.enter_context(kafka_broker())
    broker.create(EVENTS, PREDICTIONS, f"{PREDICTIONS}.dead-letters")
    staging = {
        **production,
        BROKERS: broker.brokers,
        "PLATFORM_ASSETS_ENVIRONMENT": "staging",
        "PLATFORM_ASSETS_PORT": str(free_port()),
        "PLATFORM_ASSETS_DAGSTER": str(scratch / "elsewhere" / "dagster_staging"),
        "DAGSTER_PG_DB": "dagster_staging",
    }
    found = [
        Home("this machine's files", _embedded(scratch / "embedded")),
        Home("PostgreSQL, Redis, S3", production),
        Home(
            "the same, staging, with Kafka",
            staging,
            _declared_otherwise(scratch / "code"),
            MANY,
            broker,
        ),
    ]
    for home in found:
        stack.callback(home.command, "stop")
    return found


def _embedded(home: Path) -> dict[str, str]:
    """Settings of the default: everything below one folder."""
    return {
        **SMALL_WORLD,
        "PLATFORM_ASSETS_HOME": str(home),
        "PLATFORM_ASSETS_DAGSTER": str(home / "dagster"),
        "PLATFORM_ASSETS_PORT": str(free_port()),
        "DAGSTER_HOME": str(ROOT),
    }


def _elsewhere(home: Path, stack: ExitStack) -> dict[str, str]:
    """Settings of a home whose state lies on servers, which are started."""
    database, cache, store = stack.enter_context(postgresql()), stack.enter_context(redis()), stack.enter_context(s3())
    database.stop()
    database.start(max_connections=100)
    for name in ("dagster", "dagster_staging", "feast", "mlflow"):
        database.create(name)
    store.bucket("platform")
    address = f"postgresql://postgres@127.0.0.1:{database.port}"
    return {
        **_embedded(home),
        "DAGSTER_HOME": str(ROOT / "deploy" / "dagster" / "postgresql"),
        "DAGSTER_PG_HOST": "127.0.0.1",
        "DAGSTER_PG_PORT": str(database.port),
        "DAGSTER_PG_USERNAME": "postgres",
        "DAGSTER_PG_PASSWORD": "none",
        "DAGSTER_PG_DB": "dagster",
        "PLATFORM_ASSETS_LAKE": "s3://platform/lake",
        "PLATFORM_ASSETS_OBJECT_STORE": json.dumps(store.options),
        "PLATFORM_ASSETS_MLFLOW": f"{address}/mlflow",
        "PLATFORM_ASSETS_MLFLOW_ARTIFACTS": "s3://platform/mlflow",
        "PLATFORM_ASSETS_FEAST_REGISTRY": f"{address}/feast",
        "PLATFORM_ASSETS_FEAST_ONLINE_STORE": json.dumps(cache.online_store),
    }


def _declared_otherwise(folder: Path) -> Path:
    """A copy of the code whose use case declares more processes and a topic; the code's version, that of its Python files, is the same."""
    for name in COPIED:
        place = ROOT / name
        if place.is_dir():
            shutil.copytree(place, folder / name)
        else:
            shutil.copy2(place, folder / name)
    declaration = folder / "platform_assets" / "defs" / USE_CASE / "defs.yaml"
    topics = f"{{brokers: {BROKERS}, events: {EVENTS}, predictions: {PREDICTIONS}}}"
    text, head = declaration.read_text(encoding="utf-8"), "\n  serving:\n"
    if text.count(head) != 1:
        raise SystemExit(f"{declaration}: the section serving is not found, so that nothing can be declared otherwise")
    more = f"    processes: {MANY}\n    mode: hybrid\n    stream: {topics}\n"
    declaration.write_text(text.replace(head, head + more), encoding="utf-8")
    return folder
