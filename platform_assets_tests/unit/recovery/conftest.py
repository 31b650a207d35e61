"""A small home: tables with several versions, a ledger, databases, a prediction log, and what no backup takes along."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from platform_assets.lake.folders import StoredFolder
from platform_assets.lake.lake import Lake
from platform_assets.lake.layout import CLEAN, MODEL, RAW
from platform_assets.lake.table import LakeTable
from platform_assets.recovery.chunk_store import ChunkStore
from platform_assets.recovery.manifest import FULL, Kind, Manifest, ManifestStore
from platform_assets.recovery.restoring import RestoreDestination, RestoredFiles, restore_files
from platform_assets.recovery.sealing import Sealing
from platform_assets.recovery.taking import ARTIFACTS, LAKE, LOG, Agreement, BackupScope, take_backup
from platform_assets.recovery.trees import FileTree
from platform_assets.registry.ledger import Entry, Ledger, ledger_table

FIRST = date(2024, 1, 1)
LEFT_OUT = ("serving/callers.json", "scratch/part", "feast/online.db", "run.lock")


@dataclass
class World:
    """A home and the target of its backups."""

    home: Path
    target: StoredFolder
    sealing: Sealing = field(default_factory=Sealing)
    remote: Lake | None = None

    @property
    def lake(self) -> Lake:
        return self.remote or Lake(str(self.home / "lake"))

    @property
    def chunks(self) -> ChunkStore:
        return ChunkStore(self.target, self.sealing)

    @property
    def manifests(self) -> ManifestStore:
        return ManifestStore(self.target, self.sealing)

    def table(self, name: str = "sales", layer: str = CLEAN) -> LakeTable:
        schema = {"id": pl.Int64(), "event_day": pl.Date()}
        return self.lake.table("shop", layer, name, schema)

    def write_day(self, number: int, ids: list[int], *, key: str | None = None, layer: str = CLEAN) -> None:
        day = FIRST + timedelta(days=number)
        rows = pl.DataFrame({"id": ids, "event_day": [day] * len(ids)})
        self.table(layer=layer).write_partitions(rows, day, day, idempotency_key=key)

    def ids(self) -> list[int]:
        return sorted(self.table().read()["id"].to_list())

    def ledger(self) -> Ledger:
        uri, known = self.lake.uri("shop", MODEL, "ledger"), self.lake.known("shop", MODEL, "ledger")
        return Ledger(ledger_table(uri, self.lake.storage_options(), known))

    def promote(self, version: str) -> None:
        at = datetime(2024, 2, 1, tzinfo=UTC) + timedelta(hours=int(version))
        self.ledger().record(Entry(f"promoted {version}", at, "shop", "promoted", version, None, None, {}, "run"))

    def trees(self, home: Path) -> dict[str, FileTree]:
        lake = (
            FileTree(str(home / "lake"))
            if self.remote is None
            else FileTree(self.lake.root, self.lake.storage_options())
        )
        return {
            LAKE: lake,
            ARTIFACTS: FileTree(str(home / "mlflow/artifacts")),
            LOG: FileTree(str(home / "prediction_log")),
        }

    def back_up(
        self, agreement: Callable[[], Agreement] = Agreement, previous: Manifest | None = None, kind: Kind = FULL
    ) -> Manifest:
        elsewhere = frozenset({"lake", "mlflow/artifacts", "prediction_log", "feast/online.db*"})
        registry = (self.home / "mlflow/mlflow.db",)
        scope = BackupScope(self.home, self.trees(self.home), registry, {}, elsewhere, "test")
        return take_backup(scope, self.chunks, self.manifests, agreement, previous=previous, kind=kind)

    def restore(self, manifest: Manifest, home: Path, *, set_aside: bool = False) -> RestoredFiles:
        destination = RestoreDestination(home, self.trees(home), home / "mlflow/mlflow.db")
        return restore_files(manifest, self.chunks, destination, set_aside=set_aside)

    def at(self, home: Path) -> "World":
        return World(home, self.target, self.sealing, self.remote)


def fill(world: World) -> World:
    """Two tables, a ledger, a registry with addresses, files, and what is left out."""
    for number in range(3):
        world.write_day(number, [10 * number, 10 * number + 1])
    world.write_day(1, [7])
    world.write_day(0, [1], layer=RAW)
    world.promote("1")
    home = world.home
    for path, text in {
        "mlflow/artifacts/1/run/model/model.json": "{}",
        "bentos/shop/bento.yaml": "service: shop",
        "prediction_log/shop/a.jsonl": '{"request_id": "1"}\n{"request_id": "2"}\n',
        "reports/shop/drift-2024-01-01.html": "<html>",
        **dict.fromkeys(LEFT_OUT, "made again"),
    }.items():
        (home / path).parent.mkdir(parents=True, exist_ok=True)
        (home / path).write_text(text)
    with closing(sqlite3.connect(home / "mlflow/mlflow.db")) as registry, registry:
        registry.execute("PRAGMA journal_mode=WAL")
        registry.execute("CREATE TABLE runs (run TEXT, artifact_uri VARCHAR(200), note TEXT)")
        registry.execute("INSERT INTO runs VALUES ('run', ?, 'mlflow')", (f"{home}/mlflow/artifacts/1/run",))
    return world


@pytest.fixture
def world(tmp_path: Path) -> World:
    """The home, with a plain target beside it."""
    home = tmp_path / "home"
    home.mkdir()
    return fill(World(home, StoredFolder(str(tmp_path / "target"))))
