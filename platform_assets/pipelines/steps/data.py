"""Steps from the sources to the features.

Belongs here: the verbs of data as steps. Does not belong here: the verbs (`ingest.py`, `publish.py`, `compute_features.py`,
`refresh_online_store.py`), or models.
"""

from __future__ import annotations

from datetime import date
from uuid import uuid4

from platform_assets.declaration.days import DayRange
from platform_assets.pipelines.compute_features import compute_features
from platform_assets.pipelines.ingest import ingest
from platform_assets.pipelines.publish import publish
from platform_assets.pipelines.publish_features import publish_features
from platform_assets.pipelines.refresh_online_store import refresh_online_store
from platform_assets.pipelines.steps.base import StepCheck, StepContext, StepResult, day_of_step, days_of_step
from platform_assets.settings import source_access

SHOWN = 3


def load_source(context: StepContext, table: str, days: DayRange | None) -> StepResult:
    """Rows as they were delivered; the check `schema` is red where a column lacks or has another type."""
    source = context.use_case.source(table)
    key = f"load:{context.run_id}:{uuid4()}"  # a run that is asked for again reads its source again
    ingested = ingest(
        context.catalog, context.installation.sources, source, context.declared.folder, days, faults=[], key=key
    )
    if ingested.mismatch is not None:
        return StepResult({"days_stored": ingested.days}, (StepCheck("schema", False, str(ingested.mismatch)),))
    facts = {"rows": ingested.rows, "delta_version": ingested.commit.version, "extra_columns": ingested.extra_columns}
    return StepResult(facts, (StepCheck("schema", True, f"{len(source.columns)} columns"),))


def publish_source(context: StepContext, table: str, days: DayRange | None) -> StepResult:
    """Rows that keep every rule, of days that passed the audit; the others are in quarantine."""
    load = publish(context.catalog, context.use_case.source(table), days)
    refused = [day.isoformat() for day in load.refused_days]
    found = "; ".join(rule.explanation for rule in load.failed_rules[:SHOWN])
    if not load.passed:
        found = (
            f"{len(refused) or 1} partition(s) were not published ({', '.join(refused[:5]) or 'the whole table'}): {found}. What was "
            "published before is unchanged; mend the source and load the day again"
        )
    facts = {
        "rows_accepted": load.rows_accepted,
        "rows_refused": load.rows_refused,
        "rows_by_rule": dict(load.rows_by_rule),
        "refused_days": refused,
    }
    return StepResult(facts, (StepCheck("quality", load.passed, found),))


def compute_view(context: StepContext, table: str, days: DayRange | None) -> StepResult:
    """The features of a view; the check `complete` is red where a published event has no row."""
    view = next(view for view in context.use_case.stored_views if view.table == table)
    wanted = days_of_step(days)
    computed = compute_features(context.catalog, view, wanted, context.installation.capacity)
    published = publish_features(context.catalog, view, wanted.days, source_access)
    red = [f"{day}: {one.explanation}" for day, one in computed.completeness.items() if not one.passed]
    facts = {"rows": computed.rows, "delta_version": computed.commit.version, "carried_state": computed.carried_state}
    if published is not None:
        facts["published_in"] = f"{published.store}: {published.table}"
    return StepResult(facts, (StepCheck("complete", not red, "; ".join(red[:SHOWN])),))


def fill_online_store(context: StepContext, table: str, days: DayRange | None) -> StepResult:
    """Each entity's state as of the end of the day, in the online store."""
    settings = context.installation.feature_store.settings(context.use_case)
    day = date.fromisoformat(day_of_step(days))
    refreshed = refresh_online_store(context.catalog, settings, day, context.log)
    return StepResult(
        {"entities_written": dict(refreshed.entities_written), "state_as_of": refreshed.state_as_of.isoformat()}
    )
