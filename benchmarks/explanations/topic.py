"""Explanations: random requests explained after rollbacks, a migration and a vacuum, and what the chain of the log costs.

Belongs here: a world in which requests were answered from a real online store, and counting what can be proven. Does not belong here: the
world itself (`platform_assets/testing/answered_world.py`), explaining (`platform_assets/pipelines/explain_prediction`).
"""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any

import polars as pl

from benchmarks.common.report import Bar, Topic
from benchmarks.common.world import QUICK_SCALE, scored_use_case, simulated
from platform_assets.declaration import EVENT_DAY, UseCase
from platform_assets.declaration.hash_chain import Salts, chained_line
from platform_assets.features.entity_state import entity_state
from platform_assets.features.offline.feature_table import uses_label
from platform_assets.features.online.feast_connection import FeastSettings
from platform_assets.features.online.request_features import OnlineFeatures
from platform_assets.features.online.store import apply, write_state
from platform_assets.lake.maintenance import maintain
from platform_assets.pipelines.audit import verify_audit, write_anchor
from platform_assets.pipelines.explain_prediction.explain import explain_prediction
from platform_assets.pipelines.explain_prediction.find import find_prediction
from platform_assets.testing.answered_world import AnsweredWorld
from platform_assets.testing.child_process import ROOT
from serving.prediction_log import PredictionLog

TITLE = "Predictions explained, and the chain of the log"
IDS, PROCESSES = 1000, 10
SERVED_DAYS = 7
Log = Callable[[str], None]


@dataclass
class Explained:
    """What explaining found."""

    proofs: Counter[str] = field(default_factory=Counter)
    same_answers: int = 0
    proven: int = 0
    refused_with_reason: int = 0
    largest_gap: float = 0.0
    approximate: int = 0
    flips: int = 0
    seconds: list[float] = field(default_factory=list)


def measure_explanations(ids: int, processes: int, log: Log) -> Topic:
    """Answer requests over days with four releases, three rollbacks, a vacuum and a migration; explain random ones of them.

    Args:
        ids: how many are explained.
        processes: how many of them once more with the command, in a process of its own.
        log: told of the progress.
    """
    with tempfile.TemporaryDirectory(prefix="platform-assets-bench-") as scratch:
        world, request_seconds = _answered(Path(scratch), -(-ids // SERVED_DAYS), log)
        stored = world.catalog.predictions.read()["request_id"].to_list()
        chosen = random.Random(0).sample(stored, min(ids, len(stored)))
        found = _explained(world, chosen, log)
        commands = [_in_a_process(world, request) for request in chosen[:processes]]
        wall, computed = median(one for one, _ in commands), median(one for _, one in commands)
        log(f"{processes} processes: {wall:.2f} s, {computed:.2f} of them computing")
        write_anchor(world.catalog, world.log_folder)
        started = time.perf_counter()
        audit = verify_audit(world.catalog, world.log_folder)
        verified = time.perf_counter() - started
        chain_seconds = _chain_seconds(world)
    share = chain_seconds / request_seconds
    rows = [[f"features: {proof}", f"{count:,}"] for proof, count in sorted(found.proofs.items())]
    rows += [
        ["answers equal to the bit from the logged features", f"{found.same_answers:,} of {len(chosen):,}"],
        ["proven both ways", f"{found.proven:,}"],
        ["refused with the version, the retention and the date that expired", f"{found.refused_with_reason:,}"],
        ["largest gap between the parts and the total", f"{found.largest_gap:.1g}"],
        ["explained by an approximate method, and said so (a network)", f"{found.approximate:,}"],
        ["with a smaller amount that flips the decision, scored alone", f"{found.flips:,}"],
        ["median seconds, in one process", f"{median(found.seconds):.2f}"],
        [
            "median seconds of the command, start of the process included",
            f"{wall:.2f}, {computed:.2f} of them computing",
        ],
        ["audit of all lines, entries and stored rows, seconds", f"{verified:.2f} for {audit.log.lines:,} lines"],
        ["chain of one line, CPU microseconds", f"{1e6 * chain_seconds:.1f}"],
        ["a request's look-up, score and line, CPU microseconds", f"{1e6 * request_seconds:.0f}"],
    ]
    whole = found.proven + found.refused_with_reason
    bars = [
        Bar(f"{len(chosen):,} random ids: equal to the bit, or refused with the retention that expired", f"{whole:,} of {len(chosen):,}",
        whole == len(chosen)), Bar("the logged answer itself is computed again to the bit", f"{found.same_answers:,} of {len(chosen):,}",
        found.same_answers == len(chosen)), Bar("contributions sum to within 1e-9", f"{found.largest_gap:.1g}", found.largest_gap < 1e-9),
        Bar("median under 2 s, start of the process included", f"{wall:.2f} s, {computed:.2f} of them computing", wall < 2.0),
        Bar("the chain costs under 2 % of a request", f"{100 * share:.2f} %", share < 0.02),
        Bar("the audit is green after all of it", f"{len(audit.faults)} faults", audit.passed),
    ]  # fmt: skip
    how = (
        f"`{world.use_case.name}` in a small simulated world ({QUICK_SCALE['customers']:,} customers): {len(stored):,} "
        f"requests on {SERVED_DAYS} days, answered by "
        "the service's own scorer from a SQLite online store and logged by its own log, each day served before it is loaded. "
        "Four releases (two boosters, a forest, a "
        "network) with three rollbacks between them; after the second day every table is vacuumed with no days kept, and "
        "feature tables are there for the first of the "
        "two days only; before the last day a column is added to the events by a declared migration and a feature to the "
        "contract. Then random ids are explained with the newest "
        "declaration. The chain's cost is that of one process's work for a request without HTTP, which is less than a request costs."
    )
    return Topic(TITLE, how, ("what", "number"), rows, bars)


def _answered(folder: Path, each_day: int, log: Log) -> tuple[AnsweredWorld, float]:
    """The world; and the median seconds that a request took."""
    case = scored_use_case().use_case
    before = max(view.span_days for view in case.features) + 1
    first = case.history.first_day
    events, labels = simulated(case, first, first + timedelta(days=before + SERVED_DAYS), QUICK_SCALE)
    world, store = AnsweredWorld(folder, case, events, labels), _Store(folder)
    day = first + timedelta(days=before)
    world.load(first, day - timedelta(days=1))
    learners: list[tuple[str, Mapping[str, Any]]] = [
        ("xgboost", {"threads": 1}), ("random_forest", {}), ("torch_mlp", {"max_epochs": 2}),
    ]  # fmt: skip
    for number, place in enumerate((0, 1, 0, 2, 1, 0)):
        if place == len(world.answers):
            kind, settings = learners[place]
            world.release(str(place + 1), world.train(kind, day, settings))
        elif number:
            world.record("rolled_back", str(place + 1), None)
            world.record("deployed", str(place + 1), world.answers[place][0])
        world.serve(day, each_day, features=store.features, place=place)
        log(f"{day}: version {place + 1}")
        if number == 1:
            world.compute(day - timedelta(days=1), day - timedelta(days=1))
            _vacuum(world)
        day += timedelta(days=1)
    world.use_case = _migrated(case)
    world.events = world.events.with_columns(pl.lit("unknown").alias("channel"))
    world.release("4", world.train("xgboost", day, {"threads": 1}))
    world.serve(day, each_day, features=store.features)
    log(f"{day}: version 4 after a migration")
    return world, median(store.seconds)


class _Store:
    """An online store, refreshed at each midnight and recorded in after each request."""

    def __init__(self, folder: Path) -> None:
        self._folder, self.seconds = folder, list[float]()

    def features(self, world: AnsweredWorld, requests: pl.DataFrame) -> list[list[float]]:
        """What it gives for a day's requests, one after the other."""
        case, day = world.use_case, requests[EVENT_DAY][0]
        settings = FeastSettings(
            project=case.name,
            registry=f"sqlite:///{self._folder / 'registry.db'}",
            online_store={"type": "sqlite", "path": "online.db"},
            home=str(self._folder),
        )
        apply(case, settings)
        known = world.known(day)
        for view in case.features:
            if view.windows:
                rows = known if uses_label(view, case) else known.drop(case.label.column)
                write_state(view, entity_state(view, case, rows, day), settings, case)
        online = OnlineFeatures(case, settings)
        online.warm_up()
        log = PredictionLog(self._folder / "timed", "sha256:" + "0" * 64, 2**30)
        values, predictor, names = [], world.answers[-1][2], case.feature_names
        for event in requests.select(case.serving.request).iter_rows(named=True):
            started = time.process_time()
            vector = online.vector(event)
            row = vector.values.tolist()
            looked_up = time.process_time() - started
            if predictor.features == names:
                started = time.process_time()
                predictor.predict(vector.values.reshape(1, -1))
                log.append(
                    {**event, **dict(zip(names, [None if value != value else value for value in row], strict=True))}
                )
                self.seconds.append(looked_up + time.process_time() - started)
            values.append(row)
            online.record(event)
        log.close()
        return values


def _vacuum(world: AnsweredWorld) -> None:
    catalog = world.catalog
    for name in catalog.stored_names():
        maintain(catalog.stored(name).uri, None, cluster_by=(), keep_versions=(), keep_days=0, dry_run=False)


def _migrated(case: UseCase) -> UseCase:
    """The declaration with another column in the events, and another feature."""
    document = json.loads(case.model_dump_json())
    events = next(source for source in document["sources"] if source["name"] == case.events)
    why = "the channel is delivered since today"
    events["columns"].append({"name": "channel", "type": "string", "description": "Channel", "nullable": True})
    events["migrations"] = [{"kind": "default", "column": "channel", "value": "unknown", "why": why}]
    document["features"][0]["rows"].append(
        {
            "name": "small_amount",
            "expression": "LEAST(amount, 50)",
            "description": "Amount of the payment; 50 where it is more",
        }
    )
    return UseCase.model_validate(document)


def _explained(world: AnsweredWorld, chosen: list[str], log: Log) -> Explained:
    found, catalog = Explained(), world.catalog
    for number, request in enumerate(chosen, start=1):
        started = time.perf_counter()
        prediction = find_prediction(catalog, world.log_folder, request)
        assert prediction is not None, request
        one = explain_prediction(catalog, prediction, world.serving, world.models)
        found.seconds.append(time.perf_counter() - started)
        found.proofs[one.features.proof] += 1
        found.same_answers += one.answer.same
        found.proven += one.is_proven
        expired = one.features.proof == "expired" and one.answer.same and "was replaced" in one.features.sentence
        found.refused_with_reason += expired
        found.largest_gap = max(found.largest_gap, one.sum.gap)
        found.approximate += not one.sum.exact
        found.flips += bool(one.search.changes)
        if not one.is_proven and not expired:
            log(f"{request}: {one.verdict}")
        if number % 100 == 0:
            log(f"{number} of {len(chosen)}: {found.proven} proven, {median(found.seconds):.2f} s")
    return found


def _in_a_process(world: AnsweredWorld, request: str) -> tuple[float, float]:
    """Seconds of the command, start of the process included; and those that it computed."""
    environment = {**os.environ, "PLATFORM_ASSETS_HOME": str(world.root)}
    command = [
        sys.executable,
        "-m",
        "platform_assets.cli",
        "explain",
        request,
        "--use-case",
        world.use_case.name,
        "--json",
    ]
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1) or not done.stdout.startswith("{"):
        raise RuntimeError(f"explain {request}: {done.stdout[-500:]}{done.stderr[-500:]}")
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _chain_seconds(world: AnsweredWorld, times: int = 20_000) -> float:
    """CPU seconds that the chain of a typical line takes."""
    path = next(iter(sorted(world.log_folder.glob("*.jsonl"))))
    content, salts, link = path.read_bytes().splitlines()[0], Salts(), "0" * 64
    started = time.process_time()
    for _ in range(times):
        _, link = chained_line(content, salts.next(), link, None)
    return (time.process_time() - started) / times
