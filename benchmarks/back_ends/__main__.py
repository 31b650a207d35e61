"""`make back-ends`: the same small world on the embedded default and on every other back end at once, compared to the bit.

Three times `platform-assets run`, two service processes each: on this machine's files; on PostgreSQL (Dagster, MLflow, Feast's registry),
Redis (online store) and S3 (lake and artifacts); and as `staging` in that second home. Belongs here: the settings, the runs and the
comparison. Does not belong here: Kafka, which no daily run reads (`test_kafka.py`, `test_stream.py`), or speed.

The object store is moto's, a simulation that speaks S3's protocol. PostgreSQL and Redis have to be installed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.unchanged.__main__ import answers, compare, recorded_requests, table_digest, tables_of
from platform_assets.installation import Installation
from platform_assets.registry.base import CHAMPION
from platform_assets.registry.training_run import MODEL_DIGEST_TAG
from platform_assets.testing.child_process import ROOT
from platform_assets.testing.servers import free_port, postgresql, redis, s3

USE_CASE = "card_fraud"
ANSWERS = 200
SMALL_WORLD = {
    "PLATFORM_ASSETS_SIMULATION": '{"customers": 1000, "terminals": 2000}',
    "PLATFORM_ASSETS_REPLAYED_REQUESTS": "500",
}
COLUMNS = ["transaction_id", "transaction_time", "customer_id", "terminal_id", "amount"]


def embedded(home: Path) -> dict[str, str]:
    """Settings of the default: everything below one folder."""
    return {
        **SMALL_WORLD,
        "PLATFORM_ASSETS_HOME": str(home),
        "PLATFORM_ASSETS_DAGSTER": str(home / "dagster"),
        "PLATFORM_ASSETS_PORT": str(free_port()),
        "DAGSTER_HOME": str(ROOT),
    }


def elsewhere(home: Path, stack: ExitStack) -> dict[str, str]:
    """Settings of a home whose state lies on servers, which are started."""
    database, cache, store = stack.enter_context(postgresql()), stack.enter_context(redis()), stack.enter_context(s3())
    database.stop()
    database.start(max_connections=100)
    for name in ("dagster", "dagster_staging", "feast", "mlflow"):
        database.create(name)
    store.bucket("platform")
    address = f"postgresql://postgres@127.0.0.1:{database.port}"
    return {
        **embedded(home),
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


def command(settings: Mapping[str, str], *words: str) -> None:
    """Run `platform-assets`.

    Raises:
        SystemExit: it failed; with the end of what it printed.
    """
    Path(settings["PLATFORM_ASSETS_DAGSTER"]).mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [Path(sys.executable).with_name("platform-assets"), *words],
        env={**os.environ, **settings},
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"platform-assets {' '.join(words)} ended with {done.returncode}:\n{done.stdout[-4000:]}")


def content(settings: Mapping[str, str], names: list[str], bodies: list[dict[str, Any]]) -> dict[str, Any]:
    """The champion, the tables and the answers of a home that was run."""
    installation = Installation.from_environment(dict(settings))
    lake = installation.lake
    champion = installation.models.registry().by_alias(USE_CASE, CHAMPION)
    tables = {}
    for name in names:
        use_case, layer, table = name.split("/")
        options = dict(lake.object_store) if "://" in lake.root else None
        tables[name] = table_digest(lake.uri(use_case, layer, table), options)
    address = installation.serving.target().address(USE_CASE)
    return {
        "models": {"champion": None if champion is None else champion.tags[MODEL_DIGEST_TAG]},
        "tables": tables,
        "answers": answers(address, bodies),
    }


def main(arguments: list[str]) -> int:
    """Run and compare; 1 where anything differs."""
    argparse.ArgumentParser(prog="python -m benchmarks.back_ends", description="Compare back ends.").parse_args(
        arguments
    )
    with tempfile.TemporaryDirectory(prefix="platform-assets-back-ends-") as scratch, ExitStack() as stack:
        homes = {name: Path(scratch) / name for name in ("embedded", "elsewhere")}
        default = embedded(homes["embedded"])
        production = elsewhere(homes["elsewhere"], stack)
        staging = {
            **production,
            "PLATFORM_ASSETS_ENVIRONMENT": "staging",
            "PLATFORM_ASSETS_PORT": str(free_port()),
            "PLATFORM_ASSETS_DAGSTER": str(homes["elsewhere"] / "dagster_staging"),
            "DAGSTER_PG_DB": "dagster_staging",
        }
        runs = {"embedded": default, "PostgreSQL, Redis, S3": production, "the same, staging": staging}
        for settings in runs.values():
            stack.callback(command, settings, "stop")
        return _compared(runs, homes["embedded"])


def _compared(runs: Mapping[str, Mapping[str, str]], first: Path) -> int:
    """Run each and hold it to the first as soon as it is done: what ends a later run early takes no comparison along."""
    names: list[str] = []
    bodies: list[dict[str, Any]] = []
    before: dict[str, Any] = {}
    missed = False
    for name, settings in runs.items():
        began = time.monotonic()
        command(settings, "run", USE_CASE)
        sys.stdout.write(f"{name}: platform-assets run took {time.monotonic() - began:.0f} s\n")
        sys.stdout.flush()
        if not before:
            names = [one for one, _ in tables_of(first)]
            recorded = recorded_requests(first, USE_CASE, "transactions", COLUMNS, COLUMNS[1], COLUMNS[0])
            bodies = recorded[:ANSWERS]
            before = content(settings, names, bodies)
            continue
        after = content(settings, names, bodies)
        lines = compare(before, after)
        missed = missed or bool(lines)
        counts = f"champion {after['models']['champion']}, {len(names)} tables, {len(after['answers'])} answers"
        sys.stdout.write(f"{name}: " + ("\n  ".join(["differs", *lines]) if lines else f"the same: {counts}") + "\n")
        sys.stdout.flush()
    refused = sum(json.loads(answer)["status"] != 200 for answer in before["answers"])
    sys.stdout.write(f"{refused} of {len(bodies)} recorded requests were refused by the embedded default\n")
    return 1 if missed or refused else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
