"""What is remembered of a rollout: each look in its history, each decision in the ledger, and the alias where it went back.

Belongs here: from a decision that a target took to ledger, history and alias. Does not belong here: deciding (`advance_rollout.py`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from platform_assets.declaration import UseCase
from platform_assets.deployment.rollout.events import WATCHER, RolloutDecision
from platform_assets.deployment.rollout.state import Phase, Rollout
from platform_assets.deployment.rollout.view import RolloutView
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.pipelines.package import DIGEST_TAG
from platform_assets.pipelines.rollout_history import Look, copied_percent, read_history, remember
from platform_assets.pipelines.running_experiments import split_of_plan
from platform_assets.pipelines.targets import TARGET
from platform_assets.registry.base import CHAMPION
from platform_assets.registry.errors import RegistryError
from platform_assets.registry.ledger import Action, Entry
from platform_assets.registry.model_store import ModelStore
from platform_assets.registry.rollback import roll_back

if TYPE_CHECKING:
    from platform_assets.pipelines.rollout_evidence import RolloutEvidence

LEDGER_ACTIONS: Mapping[str, Action] = {
    "advanced": "rollout_advanced",
    "raised": "rollout_raised",
    "promoted": "rollout_promoted",
    "aborted": "rollout_aborted",
    "held": "rollout_held",
    "alias moved by hand": "rollout_held",
    "finished": "rollout_finished",
}
"""By the outcome of a step."""


@dataclass(frozen=True)
class RolloutBooks:
    """Where a rollout of a use case is written down.

    Attributes:
        use_case: whose rollout.
        models: ledger and registry.
        serving: the target, and the history beside it.
        run_id: of who looks.
    """

    use_case: UseCase
    models: ModelStore
    serving: ServingHome
    run_id: str

    def looked(
        self,
        view: RolloutView,
        after: Rollout | None,
        outcome: str,
        sentence: str,
        evidence: RolloutEvidence | None,
        at: datetime,
        by: str = "",
        meant: str = "",
    ) -> None:
        """Write a look into the history; `meant` is the outcome of one whose decision the target is about to be asked to take."""
        before, now = view.rollout, after or view.rollout
        weight = 0 if outcome == "aborted" else dict(now.weights).get(now.new, 0)
        findings = () if evidence is None else evidence.verdict.findings
        look = Look(
            at=at.astimezone(UTC).isoformat(timespec="milliseconds"),
            arm=before.new,
            new=view.new.version if view.new else "",
            old=view.old.version if view.old else "",
            phase=before.phase,
            kind=before.stage.kind,
            step=before.step + 1,
            steps=len(before.plan),
            since=before.since,
            weight=weight,
            copied=copied_percent(now),
            revision=now.revision,
            outcome=outcome,
            sentence=sentence,
            by=by,
            verdict="" if evidence is None else evidence.verdict.outcome,
            findings=tuple(_shown(asdict(found)) for found in findings),
            over=now.finished,
            notes=() if evidence is None else evidence.notes,
            meant=meant,
        )
        remember(self.serving.rollout_history(self.use_case.name), look)

    def decided(
        self,
        view: RolloutView,
        after: Rollout,
        outcome: str,
        decision: RolloutDecision,
        evidence: RolloutEvidence | None,
    ) -> list[str]:
        """Write a decision to the ledger, and bring the champion's alias along; what else a person should know is returned."""
        new, old = (arm.version if arm else "" for arm in (view.new, view.old))
        kept = {
            "who": decision.by,
            "why": decision.reason,
            "at": decision.at,
            "phase": view.rollout.phase,
            "step": view.rollout.step + 1,
            "weights_before": dict(view.rollout.weights),
            "weights": {} if after.finished and outcome == "aborted" else dict(after.weights),
            "arm": view.rollout.new,
            **self._assigned(after),
        }
        if evidence is not None:
            kept["verdict"] = evidence.verdict.outcome
            kept["requests"] = {"old": evidence.requests_old, "new": evidence.requests_new}
            kept["findings"] = [_shown(asdict(found)) for found in evidence.verdict.findings]
        return self._write_down(outcome, (new, old), after.revision, kept, over=after.finished)

    def _assigned(self, rollout: Rollout) -> dict[str, str]:
        """How the entities of an A/B test are assigned now: its analysis reads that."""
        split = split_of_plan(self.use_case, (rollout.stage,))
        return {} if split is None else {"split": split.header()}

    def settle_interrupted(self, view: RolloutView | None) -> str:
        """Write down a decision that the target took and whose looker died before the ledger had it; what came of it, in words."""
        looks = read_history(self.serving.rollout_history(self.use_case.name))
        last = looks[-1] if looks else None
        if last is None or not last.meant or not self._was_taken(last, view):
            return ""
        keeping = view is not None and view.rollout.phase is Phase.KEEPING
        outcome = taken_outcome(last.meant, last.phase, ended=view is None or keeping)
        revision = self._revision_in_ledger(last) or (last.revision + 1 if view is None else view.rollout.revision)
        kept = {
            **{
                "who": last.by,
                "why": last.sentence,
                "at": last.at,
                "phase": last.phase,
                "step": last.step,
                "arm": last.arm,
            },
            "found_later": "who decided was interrupted before this entry was written",
            **({"verdict": last.verdict, "findings": list(last.findings)} if last.verdict else {}),
            **({} if view is None else self._assigned(view.rollout)),
        }
        notes = self._write_down(outcome, (last.new, last.old), revision, kept, over=view is None)
        settled = {"outcome": outcome, "meant": "", "revision": revision, "over": view is None}
        remember(self.serving.rollout_history(self.use_case.name), Look(**{**asdict(last), **settled}))
        return " ".join([f"{last.sentence} (decided before, written down now)", *notes])

    def _was_taken(self, look: Look, view: RolloutView | None) -> bool:
        """Whether the target took what a looker was about to ask for."""
        if view is not None:
            now = view.rollout
            taken = now.new == look.arm and now.revision > look.revision and now.waiting
            return taken and (now.decided_by, now.decided_why) == (look.by, look.sentence)
        status = self.serving.target().status().use_cases.get(self.use_case.name)
        left = look.old if look.meant == "aborted" else look.new
        return look.meant in ("aborted", "advanced") and status is not None and status.version == left

    def _revision_in_ledger(self, look: Look) -> int | None:
        """The revision under which the ledger has a part of a decision; None where it has nothing of it."""
        entries = self.models.ledger(self.use_case.name).entries(self.use_case.name)
        for entry, text in entries.select("entry", "evidence").iter_rows():
            said = json.loads(text)
            if (said.get("arm"), said.get("who"), said.get("why")) == (look.arm, look.by, look.sentence):
                return int(entry.rpartition("/")[2])
        return None

    def _write_down(
        self, outcome: str, versions: tuple[str, str], revision: int, kept: Mapping[str, Any], *, over: bool
    ) -> list[str]:
        """The ledger's entries of a decision, and the champion's alias."""
        (new, old), arm = versions, kept["arm"]
        self.entry(LEDGER_ACTIONS[outcome], new, old, arm, revision, kept)
        if outcome == "promoted":
            promoted = {"message": "promoted by its rollout", "why": kept["why"], TARGET: self.serving.name}
            self.entry("deployed", new, old, arm, revision, promoted)
            if over:
                self.entry("rollout_finished", new, old, arm, revision, kept)
        return [self.return_alias(new, old, kept["why"], kept["who"])] if outcome == "aborted" else []

    def entry(self, action: Action, new: str, old: str, arm: str, revision: int, evidence: Mapping[str, Any]) -> None:
        """Write an entry; once for each arm and revision."""
        ledger, model = self.models.ledger(self.use_case.name), _model_version(new)
        ledger.record(
            Entry(
                entry=f"{self.use_case.name}/{action}/{model}/{new}/{arm}/{revision}",
                at=datetime.now(UTC),
                use_case=self.use_case.name,
                action=action,
                model_version=model,
                previous_version=old or None,
                release=self._digest(model, new),
                evidence=evidence,
                run_id=self.run_id,
            )
        )

    def return_alias(self, new: str, old: str, why: str, by: str) -> str:
        """Point the champion's alias at the version that serves again; in words what came of it."""
        coming, serves = _model_version(new), _model_version(old)
        if coming == serves:
            return f"Version {serves} of the model serves, and is champion."
        try:
            registry, ledger = self.models.registry(), self.models.ledger(self.use_case.name)
            champion = registry.by_alias(self.use_case.name, CHAMPION)
            if champion is None or champion.version != coming:
                named = "nothing" if champion is None else f"version {champion.version}"
                return f"Version {serves} serves; the champion's alias points at {named} and was left as it is."
            roll_back(
                registry,
                ledger,
                registry.get(self.use_case.name, serves),
                why=why,
                who=by,
                evidence={"rollout": new},
                release=self._digest(serves, old),
                at=None,
                run_id=self.run_id,
            )
        except RegistryError as error:
            return (
                f"Version {serves} serves, but the champion's alias could not be brought back: {error}. Next: platform-assets models "
                f"rollback {self.use_case.name} --to {serves}"
            )
        return f"Version {serves} serves, and is champion again."

    def _digest(self, model: str, version: str) -> str:
        """The release's whole digest, where the registry knows it."""
        short = version.rpartition("-")[2]
        try:
            whole = self.models.registry().get(self.use_case.name, model).tags.get(DIGEST_TAG, "")
        except RegistryError:
            return short
        return whole if whole.removeprefix("sha256:").startswith(short) else short


def settle_ended(books: RolloutBooks, at: datetime) -> str:
    """Write down the end of a rollout that ended without a look: the watcher found its version dead, or a command took over.

    Returns:
        What happened, in words; empty where nothing is open.
    """
    looks = read_history(books.serving.rollout_history(books.use_case.name))
    if not looks or looks[-1].over:
        return ""
    last = looks[-1]
    status = books.serving.target().status().use_cases.get(books.use_case.name)
    serves = None if status is None else status.version
    kept = {"who": WATCHER, "phase": last.phase, "step": last.step, "arm": last.arm, "serves": serves}
    if serves == last.new:
        outcome, why = "finished", f"{last.new} serves alone: a command ended the rollout"
        books.entry("rollout_finished", last.new, last.old, last.arm, last.revision + 1, {**kept, "why": why})
    else:
        outcome = "aborted"
        why = f"{last.new} was taken out between two looks: dead, or by a command; {serves or 'nothing'} serves"
        books.entry("rollout_aborted", last.new, last.old, last.arm, last.revision + 1, {**kept, "why": why})
        if serves == last.old:
            why = f"{why}. {books.return_alias(last.new, last.old, why, WATCHER)}"
    weight = 100 if serves == last.new else 0
    stamp = at.astimezone(UTC).isoformat(timespec="milliseconds")
    ended = {
        "at": stamp,
        "outcome": outcome,
        "sentence": why,
        "by": WATCHER,
        "weight": weight,
        "copied": 0,
        "over": True,
    }
    remember(
        books.serving.rollout_history(books.use_case.name),
        Look(**{**asdict(last), **ended, "findings": (), "notes": ()}),
    )
    return why


def taken_outcome(outcome: str, phase: str, *, ended: bool) -> str:
    """What became of a decision: an advance that left nothing to decide promoted the new version, or ended the keeping of the old one.

    Args:
        outcome: what was decided.
        phase: where the rollout stood.
        ended: whether it is over, or only keeps the old version.
    """
    if outcome != "advanced" or not ended:
        return outcome
    return "finished" if phase == Phase.KEEPING else "promoted"


def _model_version(version: str) -> str:
    return version.rpartition("-")[0].removeprefix("v")


def _shown(finding: Mapping[str, Any]) -> dict[str, Any]:
    names = ("guard", "outcome", "estimate", "low", "high", "margin", "alpha", "units_old", "units_new", "sentence")
    return {name: finding[name] for name in names}
