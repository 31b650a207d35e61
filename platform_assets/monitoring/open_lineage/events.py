"""Runs and steps as OpenLineage events: what was read and written, with columns, their origins, versions, rows and checks.

Belongs here: events as plain values, by the published schema. Does not belong here: reading Dagster's event log
(`orchestration/open_lineage_sensor.py`), sending (`delivery.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID, uuid5

from platform_assets.lake.lineage.graph import PLATFORM, REQUEST, ColumnOf, Lineage

SPEC: Final = "https://openlineage.io/spec"
EVENT_SCHEMA: Final = f"{SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent"
FACETS: Final[Mapping[str, tuple[str, str]]] = {
    "schema": ("1-2-0", "SchemaDatasetFacet"),
    "columnLineage": ("1-2-0", "ColumnLineageDatasetFacet"),
    "version": ("1-0-1", "DatasetVersionDatasetFacet"),
    "dataQualityAssertions": ("1-1-0", "DataQualityAssertionsDatasetFacet"),
    "outputStatistics": ("1-0-2", "OutputStatisticsOutputDatasetFacet"),
    "parent": ("1-2-0", "ParentRunFacet"),
    "errorMessage": ("1-0-1", "ErrorMessageRunFacet"),
    "jobType": ("2-0-4", "JobTypeJobFacet"),
}
"""Facets that are written: version and name of the schema of each."""
PRODUCER: Final = "urn:platform-assets"
JOBS: Final = "platform_assets"
"""Namespace of jobs; that of tables is the lake's root."""
OUTSIDE: Final = (REQUEST, PLATFORM)

Table = tuple[str, str]
"""Layer and name."""
EventType = Literal["START", "COMPLETE", "FAIL", "ABORT"]


@dataclass(frozen=True)
class CheckAccount:
    """A check of a table as it was evaluated.

    Attributes:
        name: of the check.
        passed: its verdict.
        severity: `error` or `warn`.
    """

    name: str
    passed: bool
    severity: str


@dataclass(frozen=True)
class StepAccount:
    """A step of a run.

    Attributes:
        key: of the step.
        tables: that it was to make.
        started: when it began.
        ended: when it ended.
        state: how.
        error: why it failed.
        versions: Delta version of each table that it wrote, where one is known.
        rows: written.
        checks: evaluated in it, by table.
    """

    key: str
    tables: Sequence[Table]
    started: datetime
    ended: datetime
    state: EventType
    error: str | None = None
    versions: Mapping[Table, str] = field(default_factory=dict)
    rows: Mapping[Table, int] = field(default_factory=dict)
    checks: Mapping[Table, Sequence[CheckAccount]] = field(default_factory=dict)


@dataclass(frozen=True)
class RunAccount:
    """A run that ended.

    Attributes:
        run_id: a UUID.
        use_case: whose; None for a run of none or of several.
        job: name of the job.
        started: when it began.
        ended: when it ended.
        state: how.
        error: why it failed.
        steps: that began.
    """

    run_id: str
    use_case: str | None
    job: str
    started: datetime
    ended: datetime
    state: EventType
    error: str | None
    steps: Sequence[StepAccount]


@dataclass(frozen=True)
class KnownTables:
    """What is known of the tables of a use case.

    Attributes:
        use_case: its name.
        namespace: the lake's root.
        lineage: the graph of its columns.
        types: type of each column of each table that is stored.
    """

    use_case: str
    namespace: str
    lineage: Lineage
    types: Mapping[Table, Mapping[str, str]]

    def columns(self, table: Table) -> list[str]:
        """Columns of a table: as it is stored, else as the graph knows them."""
        stored = list(self.types.get(table, ()))
        return stored or sorted({node.column for node in self.lineage.nodes if (node.layer, node.table) == table})

    def origins(self, table: Table) -> dict[str, tuple[ColumnOf, ...]]:
        """Of each column those that it is made from, what is asked or noted left out."""
        found = self.lineage.table(*table, self.columns(table))
        kept = {name: tuple(one for one in origins if one.layer not in OUTSIDE) for name, origins in found.items()}
        return {name: origins for name, origins in kept.items() if origins}


def events_of_run(run: RunAccount, known: KnownTables | None) -> Iterator[dict[str, Any]]:
    """Events of a run and of its steps, each a START and how it ended; ids are the same whenever they are made.

    Args:
        run: what became of it.
        known: tables of its use case; None where it has none: then events carry no tables.
    """
    job = {"namespace": JOBS, "name": run.job, "facets": {"jobType": _job_type("JOB")}}
    error = {} if run.error is None else {"errorMessage": _error(run.error)}
    yield _event("START", run.started, run.run_id, job, {})
    for step in run.steps:
        yield from _events_of_step(run, step, known)
    yield _event(run.state, run.ended, run.run_id, job, error)


def _events_of_step(run: RunAccount, step: StepAccount, known: KnownTables | None) -> Iterator[dict[str, Any]]:
    parent = _facet("parent", run={"runId": run.run_id}, job={"namespace": JOBS, "name": run.job})
    job = {"namespace": JOBS, "name": f"{run.job}.{step.key}", "facets": {"jobType": _job_type("STEP")}}
    run_id = str(uuid5(UUID(run.run_id), step.key))
    inputs = [] if known is None else _inputs(step, known)
    outputs = [] if known is None else [_output(table, step, known) for table in step.tables]
    error = {} if step.error is None else {"errorMessage": _error(step.error)}
    yield _event("START", step.started, run_id, job, {"parent": parent}, inputs)
    yield _event(step.state, step.ended, run_id, job, {"parent": parent, **error}, inputs, outputs)


def _event(
    kind: EventType,
    at: datetime,
    run_id: str,
    job: Mapping[str, Any],
    facets: Mapping[str, Any],
    inputs: Sequence[Mapping[str, Any]] = (),
    outputs: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    return {
        "eventType": kind,
        "eventTime": at.isoformat(),
        "producer": PRODUCER,
        "schemaURL": EVENT_SCHEMA,
        "run": {"runId": run_id, "facets": dict(facets)},
        "job": dict(job),
        "inputs": list(inputs),
        "outputs": list(outputs),
    }


def _inputs(step: StepAccount, known: KnownTables) -> list[dict[str, Any]]:
    """Tables that the step's own are made from, and its own where checks say something of them."""
    above = {(one.layer, one.table) for table in step.tables for many in known.origins(table).values() for one in many}
    inputs = [
        {**_dataset(table, known), "facets": _columns_facet(table, known)} for table in sorted(above - set(step.tables))
    ]
    for table, checks in sorted(step.checks.items()):
        assertions = [{"assertion": one.name, "success": one.passed, "severity": one.severity} for one in checks]
        facet = {"dataQualityAssertions": _facet("dataQualityAssertions", assertions=assertions)}
        inputs.append({**_dataset(table, known), "inputFacets": facet})
    return inputs


def _output(table: Table, step: StepAccount, known: KnownTables) -> dict[str, Any]:
    facets = _columns_facet(table, known)
    fields = {
        name: {
            "inputFields": [
                {**_dataset((one.layer, one.table), known), "field": one.column} for one in sorted(set(origins))
            ]
        }
        for name, origins in known.origins(table).items()
    }
    if fields:
        facets["columnLineage"] = _facet("columnLineage", fields=fields)
    if table in step.versions:
        facets["version"] = _facet("version", datasetVersion=step.versions[table])
    output = {**_dataset(table, known), "facets": facets}
    if table in step.rows:
        output["outputFacets"] = {"outputStatistics": _facet("outputStatistics", rowCount=step.rows[table])}
    return output


def _dataset(table: Table, known: KnownTables) -> dict[str, Any]:
    return {"namespace": known.namespace, "name": f"{known.use_case}/{table[0]}/{table[1]}"}


def _columns_facet(table: Table, known: KnownTables) -> dict[str, Any]:
    types = known.types.get(table, {})
    fields = [{"name": name, **({"type": types[name]} if name in types else {})} for name in known.columns(table)]
    return {"schema": _facet("schema", fields=fields)} if fields else {}


def _job_type(kind: str) -> dict[str, Any]:
    return _facet("jobType", processingType="BATCH", integration="DAGSTER", jobType=kind)


def _error(text: str) -> dict[str, Any]:
    return _facet("errorMessage", message=text, programmingLanguage="python")


def _facet(key: str, **values: Any) -> dict[str, Any]:
    version, name = FACETS[key]
    return {"_producer": PRODUCER, "_schemaURL": f"{SPEC}/facets/{version}/{name}.json#/$defs/{name}", **values}
