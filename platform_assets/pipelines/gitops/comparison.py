"""What reviewers of a promotion read: the new version beside the one that serves.

Belongs here: the Markdown. Does not belong here: the figures themselves (`registry/training_run.py`), or the page of a model
(`write_model_card.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isnan
from typing import Any

from platform_assets.declaration import UseCase, feature_contract
from platform_assets.deployment.gitops.release_file import ReleaseFile
from platform_assets.registry.base import RegisteredVersion
from platform_assets.registry.holds import DeliveryHold
from platform_assets.registry.training_run import ModelRun


@dataclass(frozen=True)
class ProposedModel:
    """A version with its run.

    Attributes:
        version: as it is registered.
        run: its artifacts.
    """

    version: RegisteredVersion
    run: ModelRun

    @property
    def figures(self) -> Mapping[str, Any]:
        """Of the learner that was chosen."""
        figures: Mapping[str, Any] = self.run.comparison["candidates"][self.version.tags["learner"]]
        return figures


@dataclass(frozen=True)
class SelfTestFigures:
    """What the self-test of the new service measured."""

    rows: int
    max_difference: float
    startup_seconds: float
    resident_bytes: int
    size_bytes: int


def comparison_page(
    use_case: UseCase,
    file: ReleaseFile,
    proposed: ProposedModel,
    serving: ProposedModel | None,
    service: SelfTestFigures | None,
) -> str:
    """The comparison, as Markdown.

    Args:
        use_case: as it is declared now.
        file: the proposed release.
        proposed: the version that is to serve.
        serving: the champion of that environment; None where there is none.
        service: of its service; None where no service answers.
    """
    before = "nothing serves yet" if serving is None else f"version {serving.version.version} serves now"
    lines = [
        f"# {file.use_case}: version {file.model.version} in {file.environment}",
        "",
        f"{before}. Proposed by {file.decided.by}: {file.decided.why}",
        "",
        f"Gates: {file.evidence.gates} judged, {'all passed' if file.evidence.passed else 'NOT PASSED'}. {file.evidence.reason}",
        "",
        *_metrics(proposed, serving),
        "",
        *_features(use_case, proposed, serving),
        "",
        *_cost(proposed, serving, service),
        "",
        *_gates(proposed.run.evidence()),
        "",
        "Merging this deploys it in the stages that are declared; a worse answer goes back by itself, writes that here, and holds.",
    ]
    return "\n".join(lines) + "\n"


def serving_again(version: RegisteredVersion, decided: tuple[str, str, datetime], hold: DeliveryHold | None) -> str:
    """What stands in place of a comparison once the ledger decided otherwise."""
    by, why, at = decided
    held = f"\n{hold.sentence(version.use_case)}\n" if hold is not None else ""
    return f"# {version.use_case}: version {version.version} serves\n\nDecided by {by} at {at:%Y-%m-%d %H:%M} UTC: {why}\n{held}"


def _metrics(proposed: ProposedModel, serving: ProposedModel | None) -> Iterator[str]:
    versions = [proposed, *([serving] if serving else [])]
    yield "| metric | " + " | ".join(f"version {one.version.version}" for one in versions) + " | difference |"
    yield "|---|" + "--:|" * (len(versions) + 1)
    for metric, higher in proposed.run.comparison["metrics"].items():
        means = [_number(one.figures["mean"].get(metric)) for one in versions]
        cells = [f"{mean:.4f}" for mean in means]
        difference = means[0] - means[1] if len(means) > 1 else float("nan")
        better = "" if isnan(difference) or difference == 0 else " better" if (difference > 0) == higher else " worse"
        yield f"| {metric} | {' | '.join(cells)} | {'' if isnan(difference) else f'{difference:+.4f}{better}'} |"
    if serving is not None and proposed.run.comparison["folds"] != serving.run.comparison["folds"]:
        yield ""
        yield "The folds differ: a part of the difference is the days'. The gates asked both models about the same rows."


def _features(use_case: UseCase, proposed: ProposedModel, serving: ProposedModel | None) -> Iterator[str]:
    """Features that come, go, or mean something else than for the model that serves."""
    yield "## Features and tables"
    yield ""
    before = None if serving is None else serving.run.declaration()
    now = proposed.run.declaration() or use_case
    if before is None:
        yield f"{len(now.feature_names)} features; nothing to compare with."
        return
    changes = changed_features(feature_contract(before), feature_contract(now))
    if not changes:
        yield "The contract of features is the same: nothing has to be computed anew."
        return
    for line in changes:
        yield f"- {line}"
    yield ""
    yield "Their tables have to be computed for all days before this is merged: `platform-assets run` does what is due."


def changed_features(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs between two feature contracts, one line for each part that comes, goes or changes."""
    old, new = dict(_parts(before, ())), dict(_parts(now, ()))
    lines = []
    for key in sorted({*old, *new}):
        if key not in old:
            lines.append(f"{key} is new")
        elif key not in new:
            lines.append(f"{key} is gone")
        elif old[key] != new[key]:
            lines.append(f"{key} means something else: {old[key]!r} was, {new[key]!r} is")
    return lines


def _parts(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """Leaves of a contract by their path; members of lists are named where they have a name."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _parts(item, (*path, str(key)))
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for place, item in enumerate(value):
            name = item.get("name") if isinstance(item, Mapping) else None
            yield from _parts(item, (*path, str(name or place)))
    else:
        yield " ".join(path), value


def _cost(proposed: ProposedModel, serving: ProposedModel | None, service: SelfTestFigures | None) -> Iterator[str]:
    yield "## Cost"
    yield ""
    seconds = _number(proposed.figures.get("seconds"))
    before = (
        ""
        if serving is None
        else f" (version {serving.version.version}: {_number(serving.figures.get('seconds')):.0f} s)"
    )
    yield f"- training: {seconds:.0f} s{before}"
    if service is not None:
        yield (
            f"- service: {service.size_bytes / 1e6:.1f} MB, starts in {service.startup_seconds:.1f} s, "
            f"{service.resident_bytes / 1e6:.0f} MB resident; self-test: {service.rows} known rows, "
            f"largest difference {service.max_difference:.1g}"
        )


def _gates(evidence: Mapping[str, Any]) -> Iterator[str]:
    yield "## Gates"
    yield ""
    for gate in evidence.get("gates", ()):
        bypass = f" (let pass by {gate['bypass']})" if gate.get("bypass") else ""
        yield f"- {'passed' if gate.get('passed') else 'FAILED'} {gate.get('name')}{bypass}: {gate.get('explanation', '')}"


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)
