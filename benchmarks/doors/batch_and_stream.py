"""Events through the doors that nobody waits at: a table of them, and a topic.

Belongs here: making table and topic of request bodies, and reading the scores back. Does not belong here: doors with an address
(`asking.py`), or comparing (`topic.py`).

    python -m benchmarks.doors.batch_and_stream BENTO

scores a topic until SIGTERM, by the release of a Bento whose declaration gets topics of ours: the code of the door and the model are the
release's own.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.common.deployed import DeployedUseCase
from benchmarks.doors.scores import Scores, score_of
from platform_assets.declaration import UseCase
from platform_assets.testing.child_process import ROOT
from platform_assets.testing.kafka_broker import KafkaBroker, kafka_broker

BROKERS = "DOORS_BROKERS"
TOPICS = {"brokers": BROKERS, "events": "events", "predictions": "predictions"}
START_SECONDS, SILENT_SECONDS = 120.0, 60.0


def by_batch(installation: DeployedUseCase, bodies: Sequence[bytes], rows: int) -> Scores:
    """`predict batch` on a Delta table of the events; features come from the lake."""
    from deltalake import write_deltalake

    from platform_assets.connectors.access import NO_ACCESS
    from platform_assets.installation import Installation
    from platform_assets.pipelines.predict_table import TableToPredict, predict_table
    from platform_assets.settings import Settings

    used = Installation(Settings.from_environment())
    keys = list(installation.use_case.event_source.primary_key)
    events = events_of(installation.use_case, bodies)
    with tempfile.TemporaryDirectory(prefix="doors-batch-") as folder:
        source, target = f"{folder}/events", f"{folder}/predictions"
        write_deltalake(source, events)
        wanted = TableToPredict(source, target, keep=tuple(keys))
        predict_table(used.catalog(installation.use_case), used.models.registry(), wanted, NO_ACCESS)
        scored = pl.read_delta(target).select(*keys, "score")
    found = events.select(keys).join(scored, on=keys, how="left", maintain_order="left")
    return found["score"].fill_null(np.nan).to_numpy()


def by_stream(installation: DeployedUseCase, bodies: Sequence[bytes], rows: int) -> Scores:
    """A topic of one partition into another one."""
    with tempfile.TemporaryFile() as output, kafka_broker() as broker:
        topics = streamed(installation.use_case).serving.stream
        assert topics is not None
        broker.create(*topics.topics, partitions=1)
        command = [sys.executable, "-m", "benchmarks.doors.batch_and_stream", str(installation.bento.path)]
        environment = os.environ | installation.settings.to_environment() | {BROKERS: broker.brokers}
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=output, stdout=output)
        try:
            broker.produce(topics.events, ((None, body) for body in bodies))
            answers = _answers(broker, topics.predictions, len(bodies), process)
        finally:
            process.terminate()
            process.wait(60)
            output.seek(0)
            log = output.read().decode(errors="replace")
    if len(answers) != len(bodies):
        raise RuntimeError(f"{len(answers)} of {len(bodies)} events came back from the stream:\n{log[-3000:]}")
    return np.array([score_of(json.loads(answer)) for answer in answers])


def _answers(broker: KafkaBroker, topic: str, expected: int, process: subprocess.Popen[bytes]) -> list[bytes]:
    """The committed predictions in order, once all are there or none has come for a while."""
    found, changed, begun = list[bytes](), time.monotonic(), False
    while len(found) < expected and process.poll() is None:
        before = len(found)
        found = [message.value() for message in broker.committed(topic)]
        if len(found) > before:
            changed, begun = time.monotonic(), True
        if time.monotonic() - changed > (SILENT_SECONDS if begun else START_SECONDS):
            break
        time.sleep(0.5)
    return found


def streamed(use_case: UseCase) -> UseCase:
    """The use case, with topics besides its service."""
    declared = use_case.model_dump(mode="json")
    serving = {**declared["serving"], "mode": "hybrid", "stream": TOPICS}
    return UseCase.model_validate_json(json.dumps(declared | {"serving": serving}))


def events_of(use_case: UseCase, bodies: Sequence[bytes]) -> pl.DataFrame:
    """Request bodies as a table of typed columns, in their order."""
    rows = [json.loads(body) for body in bodies]
    columns = {}
    for name in use_case.serving.request:
        dtype = use_case.event_source.column(name).polars_type
        values = [row.get(name) for row in rows]
        if isinstance(dtype, pl.Datetime):
            columns[name] = pl.Series(name, values, pl.String).str.to_datetime("%+", time_unit="us").cast(dtype)
        else:
            columns[name] = pl.Series(name, values, strict=False).cast(dtype)
    return pl.DataFrame(columns)


def main(bento: str) -> int:
    """Score the topic until SIGTERM."""
    from serving.doors.stream import stream_release
    from serving.release import read_release

    logging.basicConfig(level=logging.INFO)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    release = read_release(Path(bento) / "src" / "release")
    return stream_release(replace(release, use_case=streamed(release.use_case)), None, stop, 0, os.environ)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
