"""Runs as traces: a span for each run and step, whatever became of them, once a collector takes them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from platform_assets.orchestration.json_logger import JsonLinesHandler
from platform_assets.orchestration.run_traces import TAGGED_TRACES, TRACES_TAG, tag_traces, trace_sensor
from platform_assets.testing.otlp_receiver import OtlpReceiver, attributes_of

DAYS = dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-01-05")
JOB = "parking__daily"


@dg.asset(key=["parking", "serving", "prediction_log"], partitions_def=DAYS)
def prediction_log(context: dg.AssetExecutionContext) -> None:
    traces = [None, *(f"{number:032x}" for number in range(TAGGED_TRACES + 5))]
    tag_traces(context, pl.DataFrame({"trace_id": traces}, schema={"trace_id": pl.String}))
    context.log.info("stored")


@dg.asset(key=["parking", "monitoring", "drift"], deps=[prediction_log], partitions_def=DAYS)
def drift(context: dg.AssetExecutionContext) -> None:
    tag_traces(context, pl.DataFrame({"trace_id": [None]}, schema={"trace_id": pl.String}))
    if context.partition_key == "2024-01-02":
        raise ValueError("a day that cannot be judged")


def job() -> Any:
    definitions = dg.Definitions(
        assets=[prediction_log, drift], jobs=[dg.define_asset_job(JOB, selection=[prediction_log, drift])]
    )
    return definitions.resolve_job_def(JOB)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as one:
        yield one


def tick(instance: dg.DagsterInstance, endpoint: str, cursor: str | None) -> dg.SensorResult:
    sensor = trace_sensor(endpoint, dg.DefaultSensorStatus.RUNNING)
    result = sensor(dg.build_sensor_context(instance=instance, cursor=cursor))
    assert isinstance(result, dg.SensorResult)
    return result


def test_a_run_and_its_steps_are_spans_of_the_runs_own_trace(instance: dg.DagsterInstance) -> None:
    with OtlpReceiver() as receiver:
        cursor = tick(instance, receiver.endpoint, None).cursor
        good = job().execute_in_process(instance=instance, partition_key="2024-01-01").run_id
        bad = job().execute_in_process(instance=instance, partition_key="2024-01-02", raise_on_error=False).run_id
        tick(instance, receiver.endpoint, cursor)
        spans = receiver.wait_for(6)
    assert len(spans) == 6
    of_run = {run: [span for span in spans if span.trace_id.hex() == run.replace("-", "")] for run in (good, bad)}
    for run, day, codes in ((good, "2024-01-01", [1, 1, 1]), (bad, "2024-01-02", [2, 1, 2])):
        whole, first, second = of_run[run]
        assert [whole.name, *(attributes_of(one)["dagster.step"] for one in (first, second))] == [
            JOB,
            "parking__serving__prediction_log",
            "parking__monitoring__drift",
        ]
        assert [one.status.code for one in (whole, first, second)] == codes
        assert whole.parent_span_id == b""
        assert {first.parent_span_id, second.parent_span_id} == {whole.span_id}
        assert whole.start_time_unix_nano <= first.start_time_unix_nano <= second.start_time_unix_nano
        said = attributes_of(first)
        assert (said["dagster.run_id"], said["dagster.partition"], said["platform_assets.use_case"]) == (
            run,
            day,
            "parking",
        )
        assert [one.string_value for one in said["dagster.assets"].values] == ["parking/serving/prediction_log"]
    assert "cannot be judged" not in str(spans)


def test_a_run_names_the_first_traces_of_the_log_that_it_read(instance: dg.DagsterInstance) -> None:
    run_id = job().execute_in_process(instance=instance, partition_key="2024-01-01").run_id
    run = instance.get_run_by_id(run_id)
    assert run is not None
    assert run.tags[TRACES_TAG].split(",") == [f"{number:032x}" for number in range(TAGGED_TRACES)]
    with OtlpReceiver() as receiver:
        tick(instance, receiver.endpoint, "1970-01-01T00:00:00+00:00")
        said = attributes_of(receiver.wait_for(3)[0])
    assert [one.string_value for one in said["platform_assets.traces"].values] == run.tags[TRACES_TAG].split(",")


def test_a_collector_that_is_away_gets_the_runs_later_and_no_run_twice(instance: dg.DagsterInstance) -> None:
    with OtlpReceiver() as receiver:
        began = tick(instance, receiver.endpoint, None).cursor
        job().execute_in_process(instance=instance, partition_key="2024-01-01")
        receiver.status = 400
        refused = tick(instance, receiver.endpoint, began)
        assert refused.cursor == began
        receiver.status = 200
        sent = tick(instance, receiver.endpoint, began)
        assert sent.cursor != began
        assert tick(instance, receiver.endpoint, sent.cursor).cursor == sent.cursor
        assert len(receiver.spans) == 3


def test_runs_write_json_lines_where_dagsters_settings_name_the_handler(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    handler = {"class": f"{JsonLinesHandler.__module__}.{JsonLinesHandler.__name__}", "level": "INFO"}
    overrides = {"python_logs": {"dagster_handler_config": {"handlers": {"json": handler}}}}
    with dg.instance_for_test(temp_dir=str(tmp_path), overrides=overrides) as instance:
        run_id = job().execute_in_process(instance=instance, partition_key="2024-01-01").run_id
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines() if line.startswith("{")]
    (line,) = [line for line in lines if line["message"] == "stored"]
    assert (line["run"], line["job"], line["step"]) == (run_id, JOB, "parking__serving__prediction_log")
    assert (line["use_case"], line["partition"], line["level"]) == ("parking", "2024-01-01", "INFO")
