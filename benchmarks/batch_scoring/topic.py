"""A table of ten million rows through `predict batch`, against the bare model on rows that are in memory already.

Belongs here: the table, the two ways, what is counted. Does not belong here: predicting (`pipelines/predict_table.py`).

    python -m benchmarks.batch_scoring.topic bare|table FOLDER SOURCE TARGET

scores in the process it runs in and prints JSON.
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.common.report import Bar, Topic
from platform_assets.declaration import UseCase, feature_contract_hash
from platform_assets.testing.child_process import ROOT, run_child
from platform_assets.testing.declare import declare

ROWS, FEW_ROWS = 10_000_000, 1_000_000
FEATURES = 20
DAYS = 20
CHUNK_ROWS = 250_000
KILLS = 5
RATE_BAR, MEMORY_BAR = 0.8, 1.15
COLUMNS = ("what", "rows", "rows/s", "CPU seconds a million rows", "peak memory, MB")
_FIRST = date(2024, 1, 1)


def use_case() -> UseCase:
    """Twenty numbers and a label."""
    names = [f"number_{n}" for n in range(FEATURES)]
    return declare(
        name="numbers",
        table="rows",
        events={"place": "int64", "at": "datetime", **dict.fromkeys(names, "float64")},
        label="is_odd",
        features=names,
    )


def make_model(folder: Path) -> None:
    """Fit a model, in the layout of a training run."""
    from platform_assets.registry.base import MODEL_FOLDER
    from platform_assets.registry.training_run import COMPARISON_FILE, PREDICTOR
    from platform_assets.training import artifact
    from platform_assets.training.dataset import Dataset
    from platform_assets.training.fit import fit_predictor
    from platform_assets.training.learners import make_learner

    names, chance = use_case().feature_names, np.random.default_rng(0)
    X = chance.normal(size=(20_000, len(names)))
    y = (X[:, :3].sum(axis=1) + chance.normal(size=len(X)) > 0).astype(np.float64)
    days = np.datetime64("2024-01-01", "D") + np.sort(chance.integers(0, 20, len(X)))
    data = Dataset(X, y, days, None, np.arange(len(X)), names)
    learner = make_learner("xgboost", {"max_depth": 6, "n_estimators": 200, "threads": 1})
    run = folder / "run"
    artifact.save(fit_predictor(data, learner, seed=0), run / MODEL_FOLDER / "data" / PREDICTOR)
    (run / COMPARISON_FILE).write_text("{}")


def make_table(address: str, rows: int) -> None:
    """A Delta table partitioned by day; one value in a hundred is missing."""
    from deltalake import write_deltalake

    names = use_case().feature_names
    for number in range(0, rows, CHUNK_ROWS):
        chance = np.random.default_rng(number)
        count = min(CHUNK_ROWS, rows - number)
        values = chance.normal(size=(count, len(names))).round(4)
        values[chance.random(values.shape) < 0.01] = np.nan
        columns = {name: values[:, i] for i, name in enumerate(names)}
        day = _FIRST + timedelta(days=number * DAYS // rows)
        frame = pl.DataFrame({"place": np.arange(number, number + count), **columns}).fill_nan(None)
        write_deltalake(address, frame.with_columns(day=pl.lit(day)), mode="append", partition_by=["day"])


def _bare(folder: Path, source: str) -> tuple[int, float, float]:
    """The model on the table's values, which are in memory as the model wants them; only its calls are timed."""
    from platform_assets.connectors.access import NO_ACCESS
    from platform_assets.pipelines.table_parts import open_table
    from platform_assets.registry.training_run import read_model_run

    predictor = read_model_run(folder / "run").predictor()
    table = open_table(source, NO_ACCESS)
    rows, seconds, cpu_seconds = 0, 0.0, 0.0
    for part in table.parts(CHUNK_ROWS):
        X = table.read(part, predictor.features).fill_null(np.nan).to_numpy()
        X = np.ascontiguousarray(X)
        started, cpu_before = time.perf_counter(), time.process_time()
        predictor.predict(X)
        seconds += time.perf_counter() - started
        cpu_seconds += time.process_time() - cpu_before
        rows += len(X)
    return rows, seconds, cpu_seconds


def _table(folder: Path, source: str, target: str) -> tuple[int, float, float]:
    """The table by `predict_table`, from opening it to its last commit."""
    from platform_assets.connectors.access import NO_ACCESS
    from platform_assets.lake.catalog import Catalog
    from platform_assets.lake.lake import Lake
    from platform_assets.pipelines.predict_table import TableToPredict, predict_table
    from platform_assets.registry.base import CHAMPION, RegisteredVersion
    from platform_assets.registry.training_run import MODEL_DIGEST_TAG, read_model_run
    from platform_assets.testing.fake_registry import FakeRegistry
    from platform_assets.training import artifact

    case, registry = use_case(), FakeRegistry()
    digest = artifact.model_digest(read_model_run(folder / "run").predictor_folder)
    tags = {MODEL_DIGEST_TAG: digest, "feature_contract": feature_contract_hash(case), "as_of": "2024-01-01"}
    registry.add(RegisteredVersion(case.name, "1", "run", tags), folder / "run")
    registry.set_alias(case.name, CHAMPION, "1")
    catalog = Catalog(case, Lake(root=str(folder / "lake")))
    read_model_run(folder / "run").predictor()  # so that loading libraries is no part of what is timed
    started, cpu_before = time.perf_counter(), time.process_time()
    done = predict_table(catalog, registry, TableToPredict(source, target, keep=("place",)), NO_ACCESS)
    return done.written_rows, time.perf_counter() - started, time.process_time() - cpu_before


def measure_batch_scoring(
    log: Callable[[str], None], rows: int = ROWS, few_rows: int = FEW_ROWS, kills: int = KILLS
) -> Topic:
    """Rates, memory at both sizes, and a job that is killed again and again."""
    with tempfile.TemporaryDirectory(prefix="batch-scoring-") as name:
        folder = Path(name)
        make_model(folder)
        few, many = str(folder / "few"), str(folder / "many")
        make_table(few, few_rows)
        make_table(many, rows)
        log(f"tables of {few_rows:,} and {rows:,} rows are there")
        bare = _run(folder, "bare", few, "-")
        log(f"bare model: {bare['rows'] / bare['seconds']:,.0f} rows/s")
        small = _run(folder, "table", few, str(folder / "of_few"))
        large = _run(folder, "table", many, str(folder / "of_many"))
        log(f"predict batch: {large['rows'] / large['seconds']:,.0f} rows/s")
        killed = str(folder / "killed")
        deaths = _kill(folder, many, killed, kills, large["seconds"])
        places = pl.scan_delta(killed).select("place")
        found, unique = (places.select(e).collect().item() for e in (pl.len(), pl.col("place").n_unique()))
    ratio = (large["rows"] / large["seconds"]) / (bare["rows"] / bare["seconds"])
    growth = large["peak_mb"] / small["peak_mb"]
    cells = [
        [
            what,
            f"{run['rows']:,}",
            f"{run['rows'] / run['seconds']:,.0f}",
            f"{run['cpu_seconds'] / run['rows'] * 1e6:.2f}",
            f"{run['peak_mb']:,.0f}",
        ]
        for what, run in (("the bare model", bare), ("predict batch", small), ("predict batch", large))
    ]
    bars = [
        Bar(f"at least {RATE_BAR:g} of the bare model's rows/s", f"{ratio:.2f}", ratio >= RATE_BAR),
        Bar(
            f"peak memory of {rows:,} rows at most {MEMORY_BAR:g} times that of {few_rows:,}",
            f"{growth:.2f}",
            growth <= MEMORY_BAR,
        ),
        Bar(
            f"each row once after {kills} kills",
            f"{found:,} rows, {unique:,} different, {deaths} of {kills} kills came before the end",
            found == unique == rows,
        ),
    ]
    how = (
        f"A Delta table with {FEATURES} features in {DAYS} partitions, a boosted model of 200 trees on one thread. The bare model gets the "
        "same values in memory, and only its calls are timed; `predict batch` is timed from opening the table to its last commit, "
        f"in parts of {CHUNK_ROWS:,} rows. Killed with SIGKILL at random moments, the same command goes on."
    )
    return Topic(
        "A table of ten million rows",
        how,
        ("what", "rows", "rows/s", "CPU seconds a million rows", "peak memory, MB"),
        cells,
        bars,
    )


def _run(folder: Path, *arguments: str) -> dict[str, Any]:
    return run_child("benchmarks.batch_scoring.topic", arguments[0], str(folder), *arguments[1:])


def _kill(folder: Path, source: str, target: str, kills: int, seconds: float) -> int:
    """Kill the job so often at random moments, then let it finish; how many kills came before it had ended by itself."""
    chance, deaths = random.Random(0), 0
    command = [sys.executable, "-m", "benchmarks.batch_scoring.topic", "table", str(folder), source, target]
    for _ in range(kills):
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        while not (Path(target) / "_delta_log").exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        try:
            process.wait(chance.uniform(0.5, 0.5 + seconds / max(1, kills)) + 2.0)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            deaths += 1
    _run(folder, "table", source, target)
    return deaths


def main(arguments: list[str]) -> None:
    """Score one way and print rows, seconds and peak memory."""
    way, folder, source, target = arguments
    rows, seconds, cpu = _bare(Path(folder), source) if way == "bare" else _table(Path(folder), source, target)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(
        json.dumps({"rows": rows, "seconds": max(seconds, 1e-9), "cpu_seconds": cpu, "peak_mb": peak_mb}) + "\n"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
