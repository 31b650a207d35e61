"""Runs as traces: a span for each run that ended and one for each of its steps, made of what Dagster's event log remembers.

Belongs here: spans, and the sensor that sends them. Does not belong here: spans of requests, or how spans leave a process
(`serving/tracing/`).

The event log is read rather than the steps wrapped: it knows runs that were killed as well, is the same for every executor, and costs a
run nothing. The id of the trace is the run's own, without its hyphens. Sent twice, a span is the same span.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import dagster as dg
import polars as pl
from dagster._core.storage.dagster_run import RunRecord

from platform_assets.orchestration.ended_runs import changed_at, ended_after, newest_change
from platform_assets.orchestration.operations_facts import PARTITION_TAGS

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

TRACES_TAG: Final = "platform_assets/traces"
"""On the run that read a day's prediction log: traces of requests that it read, joined by commas."""
TAGGED_TRACES: Final = 10
SECONDS: Final = 15
"""How often the sensor looks."""
FLUSH_MS: Final = 5000


def tag_traces(context: dg.AssetExecutionContext, log: pl.DataFrame) -> None:
    """Name the first traced requests of a prediction log on the run that read it; nothing where none was traced."""
    traces = log["trace_id"].drop_nulls().unique(maintain_order=True).head(TAGGED_TRACES).to_list()
    if traces:
        context.instance.add_run_tags(context.run_id, {TRACES_TAG: ",".join(traces)})


def trace_sensor(endpoint: str, status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    """The sensor that sends the spans of runs that ended.

    Args:
        endpoint: base address of an OTLP receiver over HTTP.
        status: whether it is on before somebody turned it on or off.
    """

    @dg.sensor(
        name="platform_assets__traces",
        minimum_interval_seconds=SECONDS,
        default_status=status,
        description="Sends a span for each run that ended, and one for each of its steps, to the collector of PLATFORM_ASSETS_OTLP.",
        jobs=[],
    )
    def traces(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        if context.cursor is None:  # what ended before there was a collector stays where it is
            return dg.SensorResult(cursor=newest_change(context.instance), skip_reason="From now on.")
        records = ended_after(context.instance, context.cursor)
        if not records:
            return dg.SensorResult(cursor=context.cursor, skip_reason="No run ended.")
        sent = send_spans(endpoint, (span for record in records for span in spans_of_run(context.instance, record)))
        if not sent:  # the same runs again at the next tick: nothing is lost
            return dg.SensorResult(cursor=context.cursor, skip_reason=f"The collector at {endpoint} takes no spans.")
        cursor = changed_at(records[-1])
        return dg.SensorResult(cursor=cursor, skip_reason=f"Spans of {len(records)} runs were sent.")

    return traces


def send_spans(endpoint: str, spans: Iterable[ReadableSpan]) -> bool:
    """Send spans and wait a short while for the collector; False where it did not take them all."""
    from serving.tracing.sender import SpanSender

    lost: defaultdict[str, int] = defaultdict(int)

    def on_drop(reason: str, count: int) -> None:
        lost[reason] += count

    sender = SpanSender(endpoint, on_drop, capacity=1_000_000)
    for span in spans:
        sender.on_end(span)
    sender.force_flush(FLUSH_MS)
    sender.shutdown()
    return not lost


def spans_of_run(instance: dg.DagsterInstance, record: RunRecord) -> list[ReadableSpan]:
    """The span of a run that ended, and one for each step of it that began."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

    run = record.dagster_run
    use_case = run.job_name.partition("__")[0] if "__" in run.job_name else _use_case_of(run)
    resource = Resource({"service.name": "platform_assets", "platform_assets.use_case": use_case})
    shared = {"dagster.run_id": run.run_id, "platform_assets.use_case": use_case, **_partition(run)}

    def span(name: str, key: str, ok: bool, start: float, end: float, said: Mapping[str, Any]) -> ReadableSpan:
        def place(of: str) -> SpanContext:
            number = int.from_bytes(hashlib.sha256(f"{run.run_id}/{of}".encode()).digest()[:8], "big")
            return SpanContext(UUID(run.run_id).int, number, is_remote=False, trace_flags=TraceFlags(1))

        return ReadableSpan(
            name=name,
            context=place(key),
            parent=place("") if key else None,
            resource=resource,
            attributes={**shared, **said},
            kind=SpanKind.INTERNAL,
            status=Status(StatusCode.OK if ok else StatusCode.ERROR),
            start_time=int(start * 1e9),
            end_time=int(end * 1e9),
        )

    end = record.end_time or record.update_timestamp.timestamp()
    said = {"dagster.job": run.job_name, "dagster.status": run.status.value, **_traces(run)}
    start = record.start_time or record.create_timestamp.timestamp()
    spans = [span(run.job_name, "", run.status == dg.DagsterRunStatus.SUCCESS, start, end, said)]
    assets = _assets_by_step(instance, run.run_id)
    for step in instance.get_run_step_stats(run.run_id):
        if step.start_time is not None:
            ok = step.status is not None and step.status.value in ("SUCCESS", "SKIPPED")
            said = {
                "dagster.step": step.step_key,
                "dagster.status": "UNKNOWN" if step.status is None else step.status.value,
                "dagster.assets": tuple(assets[step.step_key]),
            }
            spans.append(span(step.step_key, step.step_key, ok, step.start_time, step.end_time or end, said))
    return spans


def _assets_by_step(instance: dg.DagsterInstance, run_id: str) -> Mapping[str, list[str]]:
    """The assets that each step was to make."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    planned = instance.all_logs(run_id, of_type={dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED})
    for entry in planned:
        event = entry.dagster_event
        if event is not None and event.step_key is not None and event.asset_key is not None:
            name = event.asset_key.to_user_string()
            if name not in found[event.step_key]:
                found[event.step_key].append(name)
    return found


def _use_case_of(run: dg.DagsterRun) -> str:
    """Of a run of assets that were chosen by hand."""
    names = {key.path[0] for key in run.asset_selection or ()}
    return names.pop() if len(names) == 1 else ""


def _partition(run: dg.DagsterRun) -> dict[str, str]:
    """The partition, or the first and the last of a range."""
    values = [run.tags[tag] for tag in PARTITION_TAGS if tag in run.tags]
    return {"dagster.partition": "...".join(values)} if values else {}


def _traces(run: dg.DagsterRun) -> dict[str, tuple[str, ...]]:
    return {"platform_assets.traces": tuple(run.tags[TRACES_TAG].split(","))} if TRACES_TAG in run.tags else {}
