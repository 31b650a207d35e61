"""Days that a run leaves out because they did not come: named in a tag by who asked for the run, told by the run.

Belongs here: the tag, reading it, and telling. Does not belong here: the rule (`pipelines/due_now/`), or what becomes of such days where
days are required (`pipelines/required_days.py`).
"""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import dagster as dg

from platform_assets.declaration import UseCase
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.lake.layout import CLEAN
from platform_assets.orchestration.metadata import asset_key

LEFT_OUT = "platform_assets/left_out"
"""Tag of a run, JSON: for each source the days that count as absent."""


def left_out_tag(days: Mapping[str, Sequence[date]]) -> dict[str, str]:
    """The tag of a run that leaves days out; none where there is nothing to leave out."""
    named = {source: [day.isoformat() for day in sorted(of_source)] for source, of_source in days.items() if of_source}
    return {LEFT_OUT: json.dumps(named)} if named else {}


def days_left_out(tags: Mapping[str, str]) -> dict[str, frozenset[date]]:
    """The days that a run with these tags leaves out, by source."""
    named: Mapping[str, list[str]] = json.loads(tags.get(LEFT_OUT, "{}"))
    return {source: frozenset(map(date.fromisoformat, days)) for source, days in named.items()}


def catalog_of_run(context: dg.AssetExecutionContext, use_case: UseCase, lake: Lake) -> Catalog:
    """The tables as a run sees them; days that it leaves out are told: a warning, and an observation of the published table's day."""
    left_out = days_left_out(context.run.tags)
    for source, days in left_out.items():
        for day in sorted(days):
            reason = (
                f"{source} of {day} did not come in {use_case.source(source).late.wait_days} days and counts as absent"
            )
            context.log.warning(reason)
            observed = dg.AssetObservation(
                asset_key(use_case, CLEAN, source),
                partition=day.isoformat(),
                metadata={"counts_as_absent": reason, "in_run": context.run_id},
            )
            context.log_event(observed)
    return Catalog(use_case, lake, left_out)


def left_out_metadata(catalog: Catalog) -> dict[str, Any]:
    """Metadata of what was made without days; none where none was left out."""
    named = {source: [day.isoformat() for day in sorted(days)] for source, days in catalog.left_out.items()}
    return {"days_left_out": named} if named else {}
