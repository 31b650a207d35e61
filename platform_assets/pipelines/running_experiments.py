"""A/B tests that run or ran: their names, and the plan that each was begun with.

Belongs here: what the ledger remembers of a test's begin, and whether a declaration still says the same. Does not belong here: the
analysis (`analyse_experiment.py`), or the assignment (`experiments/assignment.py`).

A test's name is the declared one with the version that it is about, so that each new version is dealt anew. What it measures, whom it
assigns and how many is fixed when it begins: another plan under the same name would mix two tests.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl

from platform_assets.declaration import UseCase
from platform_assets.declaration.sections.experiments import Experiment
from platform_assets.deployment.rollout.stages import Plan
from platform_assets.experiments.assignment import Split, split_from_header, split_of
from platform_assets.registry.base import RegisteredVersion
from platform_assets.registry.ledger import Action, Entry, Ledger

STARTED: Action = "experiment_started"
RAISED: Action = "rollout_raised"
FIXED = (
    "measure", "direction", "assign_by", "treatment_ratio", "minimum_effect_ratio", "significance", "guardrails",
)  # fmt: skip
"""Fields of the declaration that a running test keeps."""


class ExperimentChanged(ValueError):
    """The declaration is not that of the running test any more; the message says which fields, and what to do."""


@dataclass(frozen=True)
class StartedExperiment:
    """A test as it was begun.

    Attributes:
        split: how entities are assigned, its share as it was last raised; its name is that of the running test.
        plan: as it was declared then.
        at: when it began.
        entry: of the ledger; None for a test that nothing is recorded of.
    """

    split: Split
    plan: Experiment
    at: datetime | None = None
    entry: str | None = None


def split_of_plan(use_case: UseCase, plan: Plan) -> Split | None:
    """How a rollout's A/B test assigns entities; None for a rollout without one."""
    found = [stage.assignment for stage in plan if stage.assignment is not None]
    if not found:
        return None
    (test,) = found  # a rollout has each strategy once
    return Split(use_case.name, test.experiment, test.entity, test.traffic_buckets, test.treatment_buckets)


def refuse_another_plan(use_case: UseCase, ledger: Ledger, split: Split | None) -> None:
    """Refuse to begin a test under the name of one that had another plan.

    Raises:
        ExperimentChanged: naming the fields.
    """
    if split is not None:
        refuse_changes(use_case, started_experiment(use_case, ledger, split.name))


def record_start(
    use_case: UseCase, ledger: Ledger, split: Split | None, version: RegisteredVersion, release: str, run_id: str
) -> None:
    """Write down the plan of a test that begins; once, however often its version is deployed."""
    plan = use_case.experiment
    if split is None or plan is None or started_experiment(use_case, ledger, split.name).entry is not None:
        return
    ledger.record(
        Entry(
            entry=f"{use_case.name}/{STARTED}/{split.name}",
            at=datetime.now(UTC),
            use_case=use_case.name,
            action=STARTED,
            model_version=version.version,
            previous_version=None,
            release=release,
            evidence={"split": split.header(), "experiment": plan.model_dump(mode="json")},
            run_id=run_id,
        )
    )


def started_experiment(use_case: UseCase, ledger: Ledger | None, name: str) -> StartedExperiment:
    """The test of that name as it was begun; as it is declared where nothing is recorded of it.

    Raises:
        ExperimentChanged: nothing is recorded, and none is declared.
    """
    rows = pl.DataFrame() if ledger is None else ledger.entries(use_case.name)
    if not rows.is_empty():
        rows = rows.filter(pl.col("entry") == f"{use_case.name}/{STARTED}/{name}")
    if rows.is_empty():
        plan = use_case.experiment
        if plan is None or plan.assign_by is None:
            raise ExperimentChanged(
                f"{use_case.name} declares no experiment with `assign_by`, and the ledger knows none named {name!r} "
                "(docs/guide/experiments.md)"
            )
        declared = split_of(use_case.name, name, plan.assign_by, plan.traffic_ratio, plan.treatment_ratio)
        return StartedExperiment(declared, plan)
    row = rows.row(0, named=True)
    evidence: Mapping[str, Any] = json.loads(row["evidence"])
    parts = str(evidence["split"]).split(";")
    traffic = max([int(parts[2]), *_raised_traffic(ledger, use_case, name)])
    split = Split(use_case.name, name, parts[1], traffic, int(parts[3]))
    return StartedExperiment(split, Experiment.model_validate(evidence["experiment"]), row["at"], row["entry"])


def _raised_traffic(ledger: Ledger | None, use_case: UseCase, name: str) -> Iterator[int]:
    """Buckets that took part after each time the test's share was raised."""
    if ledger is None:
        return
    for text in ledger.entries(use_case.name).filter(pl.col("action") == RAISED)["evidence"]:
        split = split_from_header(use_case.name, json.loads(text).get("split", ""))
        if split is not None and split.name == name:
            yield split.traffic


def refuse_changes(use_case: UseCase, started: StartedExperiment) -> None:
    """Refuse a declaration that says something else under the name of a test that was begun.

    A declaration with another name is another test: the one that runs goes on by its own plan.

    Raises:
        ExperimentChanged: naming the fields.
    """
    now = use_case.experiment
    if now is None or now.name != started.plan.name:
        return
    changed = [field for field in FIXED if getattr(now, field) != getattr(started.plan, field)]
    if now.traffic_ratio < started.plan.traffic_ratio:
        changed.append("traffic_ratio")  # more traffic moves nobody; less would take away entities that had a version
    if changed:
        raise ExperimentChanged(
            f"{use_case.name}: experiment {started.split.name} was begun with another {', '.join(changed)}. Set "
            f"{'it' if len(changed) == 1 else 'them'} back while it runs, or give what is declared now a name of its own "
            "(`experiment.name`): another plan is another test"
        )
