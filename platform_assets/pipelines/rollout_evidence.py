"""The evidence about a version that stands beside the one it may replace: rows of the log and the proxy's counters, as findings.

Belongs here: which rows and blocks count in which stage, and one guard after the other. Does not belong here: the tests themselves
(`experiments/sequential/`), or what follows from a verdict (`advance_rollout.py`).

Units are blocks of time (`guards.block_seconds`) in a canary and a shadow, where requests go to a version by lot or to both, and entities
in an experiment; a wrong feature comes with its entity, whatever the stage.
A block counts once it is over. Data of one kind of stage is judged together from its first moment on, so that one alpha covers all looks;
it is shared between the kinds of stages that a plan has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from platform_assets.declaration import UseCase
from platform_assets.declaration.prediction_log import FEATURE_PREFIX, SHADOW, live_rows
from platform_assets.declaration.sections.serving import REVIEW
from platform_assets.deployment.rollout.stages import StageKind
from platform_assets.deployment.rollout.view import CounterBlock, RolloutView
from platform_assets.experiments.sequential.errors import error_ratio
from platform_assets.experiments.sequential.evidence import Counts, Finding, Outcome
from platform_assets.experiments.sequential.features import changed_features, shifted_features
from platform_assets.experiments.sequential.latency import latency_quantile
from platform_assets.experiments.sequential.shifts import mean_shift, paired_shift
from platform_assets.experiments.sequential.verdict import SequentialVerdict, judge, spend
from platform_assets.pipelines.rollout_log import answer_pairs, of_release, read_rollout_log, shadow_of
from platform_assets.tasks.registry import task_of

ERRORS, LATENCY, SCORE, FEATURES = "error_ratio", "latency_p99", "score", "features"
OTHER_CONTRACT = "features: not compared, the two versions have different feature contracts"

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class RolloutEvidence:
    """What is known about a version now.

    Attributes:
        verdict: all guards together.
        requests_old: answers of the old version that count.
        requests_new: answers of the new version that count, copies in a shadow.
        hours: since the first of them could come.
        notes: what was left out, and why.
    """

    verdict: SequentialVerdict
    requests_old: int
    requests_new: int
    hours: float
    notes: tuple[str, ...] = ()

    @property
    def requests_per_hour(self) -> float:
        """Of the new version, at today's traffic."""
        return self.requests_new / self.hours if self.hours > 0 else 0.0

    @property
    def needs(self) -> str:
        """How much longer it takes to tell, in words."""
        return self.verdict.needs(self.requests_per_hour)


def gather_evidence(
    use_case: UseCase,
    log_folder: Path,
    view: RolloutView,
    counters: Sequence[CounterBlock],
    since: datetime,
    at: datetime,
    pieces: Path | None = None,
) -> RolloutEvidence:
    """Judge the new version of a rollout that waits in an observed stage.

    Args:
        use_case: the declaration, with its guards.
        log_folder: where the service's processes write their predictions.
        view: the rollout and its arms.
        counters: what the proxy counted.
        since: when the first stage of the present kind began.
        at: the time now.
        pieces: folder in which the log's rows are kept for the next look.
    """
    kind = view.rollout.stage.kind
    closed = at - timedelta(seconds=at.timestamp() % use_case.serving.guards.block_seconds)
    log = read_rollout_log(log_folder, use_case, since, pieces)
    rows = log.rows.filter(pl.col("scored_at") < closed)
    kinds = {stage.kind for stage in view.rollout.plan if stage.observe}
    budget = use_case.serving.guards.alpha / max(1, len(kinds))
    names = _guards(use_case, kind)
    alphas = spend(budget, names)
    old, new = (arm.version if arm is not None else "" for arm in (view.old, view.new))
    errors = _errors(use_case, view, counters, since, closed, alphas[ERRORS])
    if kind is StageKind.MIRROR:
        findings, counts, notes = _of_pairs(use_case, rows, old, new, alphas)
    else:
        findings, counts, notes = _of_arms(use_case, rows, view, (old, new), alphas)
    if log.unreadable:
        notes = (*notes, f"{log.unreadable:,} lines of the prediction log left out: they cannot be read")
    hours = max(0.0, (closed - since).total_seconds() / 3600)
    return RolloutEvidence(judge([errors, *findings]), *counts, hours, notes)


def _guards(use_case: UseCase, kind: StageKind) -> list[str]:
    """The guards of a stage, which alpha is shared between; known before any data is."""
    names = [ERRORS, LATENCY, *([SCORE] if _decisions(use_case) else [])]
    names += [_decision_guard(name) for name in _told_apart(use_case)]
    return names if kind is StageKind.SPLIT else [*names, FEATURES]


def _decision_guard(decision: str) -> str:
    return f"decision {decision}"


def _decisions(use_case: UseCase) -> tuple[str, ...]:
    decided = tuple(task_of(use_case).decisions(use_case))
    return (*decided, REVIEW) if decided and use_case.may_review else decided


def _told_apart(use_case: UseCase) -> tuple[str, ...]:
    """Decisions to judge: one of them less than there are, for its share follows from the others'."""
    return _decisions(use_case)[:-1]


def _errors(
    use_case: UseCase,
    view: RolloutView,
    counters: Sequence[CounterBlock],
    since: datetime,
    closed: datetime,
    alpha: float,
) -> Finding:
    """The proxy's counters, which also see answers that never reached a log."""
    seconds = use_case.serving.guards.block_seconds
    begin, end = (int(moment.timestamp()) // seconds for moment in (since, closed))
    counts = {arm: np.zeros((2, max(0, end - begin)), dtype=np.int64) for arm in (view.rollout.old, view.rollout.new)}
    for block in counters:
        unit = int(datetime.fromisoformat(block.at).timestamp() - 0.5) // seconds - begin
        if block.arm in counts and 0 <= unit < end - begin:
            counts[block.arm][:, unit] += (block.errors, block.requests)
    old, new = (
        Counts(np.minimum(bad, total), total) for bad, total in (counts[view.rollout.old], counts[view.rollout.new])
    )
    share = 0.5 if view.rollout.stage.kind is StageKind.MIRROR else view.rollout.stage.percent / 100
    return error_ratio(old, new, share_new=share, margin=use_case.serving.guards.error_ratio, alpha=alpha)


Findings = tuple[list[Finding], tuple[int, int], tuple[str, ...]]


def _of_arms(
    use_case: UseCase, rows: pl.DataFrame, view: RolloutView, versions: tuple[str, str], alphas: Mapping[str, float]
) -> Findings:
    """Answers of two versions to different requests."""
    guards, live = use_case.serving.guards, live_rows(rows)
    assignment = view.rollout.stage.assignment
    sticky, share = assignment is not None, view.rollout.stage.percent / 100
    live = live.with_columns(
        __unit=_blocks(live, guards.block_seconds) if assignment is None else _entities(live, assignment.entity)
    )
    old, new = (of_release(live, version) for version in versions)
    units = tuple(frame["__unit"].cast(pl.Int64).to_numpy() for frame in (old, new))
    latency = latency_quantile(
        old["latency_ms"].to_numpy(),
        units[0],
        new["latency_ms"].to_numpy(),
        units[1],
        margin_ratio=guards.latency_p99_ratio,
        alpha=alphas[LATENCY],
        share_new=share,
        sticky=sticky,
    )
    findings = [latency]
    for name, margin in _answer_guards(use_case):
        values = (_answers(old, name), _answers(new, name))
        findings.append(
            mean_shift(
                name,
                values[0],
                units[0],
                values[1],
                units[1],
                margin=margin,
                alpha=alphas[name],
                share_new=share,
                sticky=sticky,
            )
        )
    notes = _notes(use_case)
    if not sticky:
        if old["feature_contract"].append(new["feature_contract"]).n_unique() <= 1:
            findings += _wrong_features(use_case, (old, new), units, alphas[FEATURES])
        else:
            notes = (*notes, OTHER_CONTRACT)
    return findings, (old.height, new.height), notes


def _wrong_features(
    use_case: UseCase, arms: tuple[pl.DataFrame, pl.DataFrame], units: tuple[Ints, ...], alpha: float
) -> list[Finding]:
    """Features whose distribution differs between the arms. Only a difference speaks: to clear each feature takes more requests than a
    canary's other guards, and a shadow does it with few."""
    names = [FEATURE_PREFIX + name for name in use_case.feature_names]
    old, new = (_features(frame, names) for frame in arms)
    found = shifted_features(list(use_case.feature_names), old, units[0], new, units[1], alpha=alpha)
    return [one for one in found if one.outcome is Outcome.WORSE]


def _of_pairs(use_case: UseCase, rows: pl.DataFrame, old: str, new: str, alphas: Mapping[str, float]) -> Findings:
    """Two answers to each request."""
    guards, seconds = use_case.serving.guards, use_case.serving.guards.block_seconds
    live, copies = of_release(live_rows(rows), old), of_release(rows.filter(pl.col("role") == SHADOW), new)
    latency = latency_quantile(
        live["latency_ms"].to_numpy(),
        _blocks(live, seconds).to_numpy(),
        copies["latency_ms"].to_numpy(),
        _blocks(copies, seconds).to_numpy(),
        margin_ratio=guards.latency_p99_ratio,
        alpha=alphas[LATENCY],
    )
    pairs = answer_pairs(rows, use_case, old, new)
    frame, unit = pairs.frame, _blocks(pairs.frame, seconds).to_numpy()
    shadow = frame.select(pl.col(shadow_of(name)).alias(name) for name in ("score", "decision"))
    findings = [latency]
    for name, margin in _answer_guards(use_case):
        values = (_answers(frame, name), _answers(shadow, name))
        findings.append(paired_shift(name, *values, unit, margin=margin, alpha=alphas[name]))
    notes = list(_notes(use_case))
    contracts = frame.filter(pl.col("feature_contract") != pl.col(shadow_of("feature_contract")))
    names = [FEATURE_PREFIX + name for name in use_case.feature_names]
    if contracts.is_empty():
        given = _features(frame, names)
        copied = _features(frame, [shadow_of(name) for name in names])
        parts = _feature_units(frame, use_case)
        findings += changed_features(list(use_case.feature_names), given, copied, parts, alpha=alphas[FEATURES])
    else:
        notes.append(OTHER_CONTRACT)
    if pairs.disturbed:
        notes.append(f"{pairs.disturbed:,} pairs left out: their entity had another event in between")
    if pairs.unlike:
        notes.append(f"{pairs.unlike:,} pairs left out: one answered without the store, or knew fewer entities")
    return findings, (live.height, copies.height), tuple(notes)


def _answer_guards(use_case: UseCase) -> list[tuple[str, float]]:
    """Guards on what is answered, with their margins."""
    guards = use_case.serving.guards
    score = [(SCORE, guards.score_shift)] if _decisions(use_case) else []
    return score + [(_decision_guard(name), guards.decision_shift) for name in _told_apart(use_case)]


def _answers(rows: pl.DataFrame, guard: str) -> NDArray[np.float64]:
    """What a guard compares of each row."""
    if guard == SCORE:
        return rows["score"].cast(pl.Float64).to_numpy().astype(np.float64)
    chosen = rows["decision"].fill_null("") == guard.removeprefix(_decision_guard(""))
    return chosen.cast(pl.Float64).to_numpy().astype(np.float64)


def _features(pairs: pl.DataFrame, columns: Sequence[str]) -> NDArray[np.float64]:
    """float64[pairs, features]; missing is NaN."""
    return pairs.select(pl.col(name).fill_null(np.nan) for name in columns).to_numpy().astype(np.float64)


def _notes(use_case: UseCase) -> tuple[str, ...]:
    if _decisions(use_case):
        return ()
    return ("score: not judged, for the values of a regression have no common scale; watch its drift",)


def _blocks(rows: pl.DataFrame, seconds: int) -> pl.Series:
    return (rows["scored_at"].dt.epoch("s") // seconds).cast(pl.Int64)


def _entities(rows: pl.DataFrame, *columns: str) -> pl.Series:
    """Entities, numbered in the order in which they first came."""
    names = rows.select(pl.col(column).cast(pl.String).fill_null("") for column in columns)
    numbered = names.unique(maintain_order=True).with_row_index("__unit")
    return names.join(numbered, on=list(columns), maintain_order="left")["__unit"].cast(pl.Int64)


def _feature_units(pairs: pl.DataFrame, use_case: UseCase) -> Ints:
    """What a wrong feature comes with again and again: its entity, the first one that requests name; without one a block of time."""
    for entity in use_case.entities:
        if set(entity.key_columns) <= set(use_case.serving.request):
            return _entities(pairs, *entity.key_columns).to_numpy()
    return _blocks(pairs, use_case.serving.guards.block_seconds).to_numpy()
