"""OpenLineage events of runs and steps: by the published schemas, once a receiver takes them, and no run waits for it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import jsonschema
import pytest

from platform_assets.declaration import UseCase
from platform_assets.lake.lake import Lake
from platform_assets.monitoring.open_lineage.delivery import EventsNotDelivered, send_events
from platform_assets.monitoring.open_lineage.events import EVENT_SCHEMA, FACETS, PRODUCER, SPEC
from platform_assets.orchestration.open_lineage_sensor import open_lineage_sensor
from platform_assets.testing.alert_receiver import alert_receiver
from platform_assets.testing.payments import use_case

DAYS = dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-01-05")
JOB = "payments__daily"
TEXT, DATASET = {"type": "string", "minLength": 1}, {"namespace": {"type": "string"}, "name": {"type": "string"}}


def facet(key: str, **properties: Any) -> dict[str, Any]:
    """The published schema of a facet as far as it is used: what must be there, and what the values are."""
    version, name = FACETS[key]
    address = {"const": f"{SPEC}/facets/{version}/{name}.json#/$defs/{name}"}
    return {
        "type": "object",
        "properties": {"_producer": {"const": PRODUCER}, "_schemaURL": address, **properties},
        "required": ["_producer", "_schemaURL", *properties],
    }


def listed(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "object", "properties": properties, "required": required}}


JOB_SCHEMA = {
    "type": "object",
    "properties": {
        **DATASET,
        "facets": {"properties": {"jobType": facet("jobType", processingType=TEXT, integration=TEXT, jobType=TEXT)}},
    },
    "required": ["namespace", "name"],
}
INPUT = {
    **DATASET,
    "facets": {"properties": {"schema": facet("schema", fields=listed(["name"], name=TEXT, type=TEXT))}},
    "inputFacets": {
        "properties": {
            "dataQualityAssertions": facet(
                "dataQualityAssertions",
                assertions=listed(
                    ["assertion", "success"],
                    assertion=TEXT,
                    success={"type": "boolean"},
                    severity={"enum": ["error", "warn"]},
                ),
            )
        }
    },
}
ORIGINS = listed(["namespace", "name", "field"], **DATASET, field=TEXT)
OUTPUT = {
    **DATASET,
    "facets": {
        "properties": {
            "schema": facet("schema", fields=listed(["name"], name=TEXT, type=TEXT)),
            "version": facet("version", datasetVersion=TEXT),
            "columnLineage": facet(
                "columnLineage",
                fields={
                    "type": "object",
                    "additionalProperties": {"properties": {"inputFields": ORIGINS}, "required": ["inputFields"]},
                },
            ),
        }
    },
    "outputFacets": {"properties": {"outputStatistics": facet("outputStatistics", rowCount={"type": "integer"})}},
}
RUN_FACETS = {
    "parent": facet(
        "parent", run={"required": ["runId"]}, job={"required": ["namespace", "name"], "properties": DATASET}
    ),
    "errorMessage": facet("errorMessage", message=TEXT, programmingLanguage=TEXT),
}
EVENT = {
    "type": "object",
    "properties": {
        "eventType": {"enum": ["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"]},
        "eventTime": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00$"},
        "producer": TEXT,
        "schemaURL": {"const": EVENT_SCHEMA},
        "run": {
            "type": "object",
            "properties": {
                "runId": {"type": "string", "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"},
                "facets": {"properties": RUN_FACETS, "additionalProperties": False},
            },
            "required": ["runId"],
        },
        "job": JOB_SCHEMA,
        "inputs": listed(["namespace", "name"], **INPUT),
        "outputs": listed(["namespace", "name"], **OUTPUT),
    },
    "required": ["eventTime", "producer", "schemaURL", "run", "job"],
}


@dg.asset(key=["payments", "features", "shop_risk"], partitions_def=DAYS, check_specs=[
    dg.AssetCheckSpec("complete", asset=dg.AssetKey(["payments", "features", "shop_risk"]))
])  # fmt: skip
def shop_risk(context: dg.AssetExecutionContext) -> Iterator[Any]:
    yield dg.MaterializeResult(metadata={"delta_version": 4, "dagster/row_count": 17})
    passed = context.partition_key == "2024-01-01"
    yield dg.AssetCheckResult(check_name="complete", passed=passed, severity=dg.AssetCheckSeverity.WARN)


@dg.asset(key=["payments", "model", "classifier"], deps=[shop_risk], partitions_def=DAYS)
def classifier(context: dg.AssetExecutionContext) -> None:
    if context.partition_key == "2024-01-02":
        raise ValueError("no model of this day")


def job() -> Any:
    definitions = dg.Definitions(
        assets=[shop_risk, classifier], jobs=[dg.define_asset_job(JOB, selection=[shop_risk, classifier])]
    )
    return definitions.resolve_job_def(JOB)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as one:
        yield one


@pytest.fixture
def case() -> UseCase:
    return use_case()


class Sensor:
    """The sensor with its cursor, as the daemon ticks it."""

    def __init__(self, instance: dg.DagsterInstance, address: str, lake: Lake, case: UseCase) -> None:
        self.instance = instance
        self.cursor: str | None = None
        self.sensor = open_lineage_sensor(address, lake, lambda: [case], dg.DefaultSensorStatus.RUNNING)
        self.tick()

    def tick(self) -> str:
        result = self.sensor(dg.build_sensor_context(instance=self.instance, cursor=self.cursor))
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor
        assert result.skip_reason is not None
        return str(result.skip_reason.skip_message)


def test_runs_and_steps_are_told_with_columns_versions_rows_and_checks(
    instance: dg.DagsterInstance, case: UseCase, tmp_path: Path
) -> None:
    taken: list[dict[str, Any]] = []

    def take(event: dict[str, Any]) -> int:
        jsonschema.validate(event, EVENT)
        taken.append(event)
        return 201

    with alert_receiver(take, str) as port:
        sensor = Sensor(instance, f"http://127.0.0.1:{port}/api/v1/lineage", Lake(root=str(tmp_path)), case)
        good = job().execute_in_process(instance=instance, partition_key="2024-01-01").run_id
        bad = job().execute_in_process(instance=instance, partition_key="2024-01-02", raise_on_error=False).run_id
        assert sensor.tick() == "12 events of 2 runs were taken."
        assert sensor.tick() == "No run ended."
    by_job = {(one["job"]["name"], one["eventType"]): one for one in taken[:6]}
    assert by_job[JOB, "COMPLETE"]["run"]["runId"] == good
    step = by_job[f"{JOB}.payments__features__shop_risk", "COMPLETE"]
    assert step["run"]["facets"]["parent"]["run"]["runId"] == good
    [output] = step["outputs"]
    assert (output["namespace"], output["name"]) == (str(tmp_path), "payments/features/shop_risk")
    assert output["facets"]["version"]["datasetVersion"] == "4"
    assert output["outputFacets"]["outputStatistics"]["rowCount"] == 17
    origins = output["facets"]["columnLineage"]["fields"]["shop_bad_ratio_3d"]["inputFields"]
    assert {(one["name"], one["field"]) for one in origins} >= {("payments/clean/labels", "is_bad")}
    assert "payments/clean/payments" in {one["name"] for one in step["inputs"]}
    checks = [
        one["inputFacets"]["dataQualityAssertions"]["assertions"] for one in step["inputs"] if "inputFacets" in one
    ]
    assert checks == [[{"assertion": "complete", "success": True, "severity": "warn"}]]
    model = by_job[f"{JOB}.payments__model__classifier", "COMPLETE"]["outputs"][0]
    assert model["name"] == "payments/model/classifier"
    assert "payments/training/training_set" in str(model["facets"]["columnLineage"])
    failed = [one for one in taken[6:] if one["eventType"] == "FAIL"]
    assert next(one["run"]["facets"]["errorMessage"]["message"] for one in failed).startswith("ValueError: no model")
    assert failed[-1]["run"]["runId"] == bad


def test_a_receiver_that_does_not_answer_fails_no_run_and_gets_the_same_events_later(
    instance: dg.DagsterInstance, case: UseCase, tmp_path: Path
) -> None:
    statuses, taken = [503] * 3 + [201] * 100, list[str]()

    def take(event: dict[str, Any]) -> int:
        status = statuses.pop(0)
        taken.extend([str(event["run"]["runId"])] if status == 201 else [])
        return status

    with alert_receiver(take, str) as port:
        sensor = Sensor(instance, f"http://127.0.0.1:{port}", Lake(root=str(tmp_path)), case)
        assert job().execute_in_process(instance=instance, partition_key="2024-01-01").success
        with pytest.raises(EventsNotDelivered, match="took 0 of 6 events and not the next: status 503"):
            sensor.tick()
        assert sensor.tick() == "6 events of 1 runs were taken."
        assert len(taken) == 6


def test_what_is_refused_for_good_is_not_tried_again(tmp_path: Path) -> None:
    asked: list[int] = []

    def take(event: dict[str, Any]) -> int:
        asked.append(1)
        return 422

    with alert_receiver(take, str) as port, pytest.raises(EventsNotDelivered, match="status 422"):
        send_events(f"http://127.0.0.1:{port}", [{"run": {}}])
    assert len(asked) == 1


def test_a_file_gets_a_line_for_each_event(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "events.jsonl"
    assert send_events(f"file:{file}", [{"a": 1}, {"a": 2}]) == 2
    assert send_events(f"file:{file}", [{"a": 3}]) == 1
    assert [json.loads(line)["a"] for line in file.read_text().splitlines()] == [1, 2, 3]
    with pytest.raises(EventsNotDelivered, match="takes no OpenLineage events"):
        send_events(f"file:{tmp_path}", [{"a": 1}])
