"""What the local target remembers: which versions run where, with which weights, and a rollout under way.

Belongs here: the stored model, and changes to it as pure functions. Does not belong here: what can be asked of the
process manager or the proxy at any time (process ids, health); it would go stale.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from platform_assets.declaration.sections.callers import Callers
from platform_assets.deployment.errors import StateUnreadable
from platform_assets.deployment.local.host import write_private
from platform_assets.deployment.rollout.stages import FULL_WEIGHT, Assignment
from platform_assets.deployment.rollout.state import Rollout


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Program(_Stored):
    """One supervised process of an arm, and the port it listens on."""

    name: str
    port: int


class Arm(_Stored):
    """One version of one use case that has processes.

    Attributes:
        name: `<use_case>-<generation>`, never used twice; names the proxy's cluster.
        weight: share of the use case's traffic in percent.
        exposed: whether the proxy knows its endpoints; it stays known, and checked, while it may get traffic.
        callers: who may call it; None in states from before it was declared, and where nothing is.
    """

    name: str
    version: str
    fingerprint: str
    ready_path: str
    programs: tuple[Program, ...]
    weight: int = 0
    exposed: bool = False
    callers: Callers | None = None

    @model_serializer(mode="wrap")
    def _without_undeclared_callers(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave the key out while nothing is declared: code from before it could be reads the file too."""
        values: dict[str, Any] = handler(self)
        if values["callers"] is None:
            del values["callers"]
        return values


class SplitState(_Stored):
    """Which of two arms a request goes to by its entity; arms in `weights` of the use case have their shares to show only.

    Attributes:
        assignment: of the experiment.
        treatment: name of the arm that answers for treated entities.
        control: name of the arm that answers every other request.
    """

    assignment: Assignment
    treatment: str
    control: str


class UseCaseState(_Stored):
    """The arms of one use case, oldest first, and the rollout between them.

    Attributes:
        mirror: name of the arm that gets copies of requests, None when none does.
        mirror_percent: share of the requests that it gets.
        split: how requests are told apart by entity, None while they are by chance.
    """

    arms: tuple[Arm, ...] = ()
    rollout: Rollout | None = None
    mirror: str | None = None
    mirror_percent: int = FULL_WEIGHT
    split: SplitState | None = None

    @model_serializer(mode="wrap")
    def _without_what_is_not_used(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave keys out while nothing is mirrored or split: code from before there was either reads the file too."""
        values: dict[str, Any] = handler(self)
        unused = {"mirror": self.mirror is None, "mirror_percent": self.mirror is None, "split": self.split is None}
        return {key: value for key, value in values.items() if not unused.get(key)}

    @model_validator(mode="before")
    @classmethod
    def _with_a_plan(cls, given: Any) -> Any:
        """A rollout from before there were plans has the weights of its steps."""
        rollout = given.get("rollout") if isinstance(given, dict) else None
        if not isinstance(rollout, dict) or "steps" not in rollout:
            return given
        plan = [{"kind": "weight", "percent": share, "observe": False} for share in rollout["steps"]]
        return given | {"rollout": {key: rollout[key] for key in rollout if key != "steps"} | {"plan": plan}}


class TargetState(_Stored):
    """Everything the target remembers between two commands.

    Attributes:
        admin_port: of no use any more; from when the proxy's own interface was on a port.
    """

    target_id: str
    envoy_port: int
    admin_port: int = 0
    generation: int = 0
    use_cases: dict[str, UseCaseState] = {}

    def use_case(self, name: str) -> UseCaseState:
        """The state of one use case, empty when it was never deployed."""
        return self.use_cases.get(name, UseCaseState())

    def arms(self) -> Iterator[tuple[str, Arm]]:
        """Every arm with its use case."""
        for use_case, state in sorted(self.use_cases.items()):
            for arm in state.arms:
                yield use_case, arm

    def arm(self, use_case: str, name: str) -> Arm | None:
        """One arm, None when it is gone."""
        return next((arm for arm in self.use_case(use_case).arms if arm.name == name), None)

    def ports(self) -> set[int]:
        """Every port this target has promised to something."""
        services = {program.port for _, arm in self.arms() for program in arm.programs}
        return services | {self.envoy_port}

    def serving(self, use_case: str) -> Arm | None:
        """The arm with the most traffic, None when none has any."""
        arms = [arm for arm in self.use_case(use_case).arms if arm.weight > 0]
        return max(arms, key=lambda arm: arm.weight, default=None)

    def with_use_case(self, name: str, use_case: UseCaseState) -> TargetState:
        """A copy in which one use case is replaced, or gone when nothing is left of it."""
        others = {key: value for key, value in self.use_cases.items() if key != name}
        if use_case.arms or use_case.rollout:
            others[name] = use_case
        return self.model_copy(update={"use_cases": others})

    def with_rollout(self, use_case: str, rollout: Rollout | None) -> TargetState:
        """A copy in which a use case's rollout is replaced."""
        return self.with_use_case(use_case, self.use_case(use_case).model_copy(update={"rollout": rollout}))

    def with_arm(self, use_case: str, arm: Arm) -> TargetState:
        """A copy in which an arm is added, or replaced when one has its name."""
        arms = self.use_case(use_case).arms
        if any(known.name == arm.name for known in arms):
            changed = tuple(arm if known.name == arm.name else known for known in arms)
        else:
            changed = (*arms, arm)
        return self.with_use_case(use_case, self.use_case(use_case).model_copy(update={"arms": changed}))

    def without_arm(self, use_case: str, name: str) -> TargetState:
        """A copy in which an arm is gone."""
        before = self.use_case(use_case)
        arms = tuple(arm for arm in before.arms if arm.name != name)
        mirror = None if before.mirror == name else before.mirror
        split = before.split if before.split and name not in (before.split.treatment, before.split.control) else None
        return self.with_use_case(use_case, before.model_copy(update={"arms": arms, "mirror": mirror, "split": split}))

    def with_mirror(self, use_case: str, name: str | None, percent: int = FULL_WEIGHT) -> TargetState:
        """A copy in which this arm, or none, gets copies of so many percent of the requests; an arm that does is exposed."""
        arm = None if name is None else self.arm(use_case, name)
        changed = self if arm is None else self.with_arm(use_case, arm.model_copy(update={"exposed": True}))
        update = {"mirror": None if arm is None else arm.name, "mirror_percent": percent if arm else FULL_WEIGHT}
        return changed.with_use_case(use_case, changed.use_case(use_case).model_copy(update=update))

    def with_weights(
        self,
        use_case: str,
        weights: Mapping[str, int],
        treated: str | None = None,
        assignment: Assignment | None = None,
    ) -> TargetState:
        """A copy in which the named arms have these weights and the others none; an arm with weight is exposed.

        Raises:
            ValueError: a weight names an arm that does not exist, the weights do not add up to 100, or an assignment is not between two.
        """
        arms = self.use_case(use_case).arms
        unknown = set(weights) - {arm.name for arm in arms}
        if unknown or (weights and sum(weights.values()) != 100):
            raise ValueError(f"weights of {use_case} are {dict(weights)}: they must add up to 100 over existing arms")
        changed = self
        for arm in arms:
            weight = weights.get(arm.name, 0)
            update = {"weight": weight, "exposed": arm.exposed or weight > 0}
            changed = changed.with_arm(use_case, arm.model_copy(update=update))
        split = None
        if assignment is not None:
            others = [name for name in weights if name != treated]
            if treated not in weights or len(others) != 1:
                raise ValueError(
                    f"an experiment of {use_case} is between two arms, one of them treated: {dict(weights)}"
                )
            split = SplitState(assignment=assignment, treatment=treated, control=others[0])
        return changed.with_use_case(use_case, changed.use_case(use_case).model_copy(update={"split": split}))


def load_state(path: Path) -> TargetState | None:
    """Read the stored state; None when there is none yet.

    Raises:
        StateUnreadable: the file is damaged.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    try:
        return TargetState.model_validate_json(text)
    except ValidationError as error:
        raise StateUnreadable(
            f"{path} cannot be read: {error.errors()[0]['msg']} at {error.errors()[0]['loc']}. Stop the target, which "
            f"ends its processes without this file, delete the file and deploy again."
        ) from error


def save_state(path: Path, state: TargetState) -> None:
    """Store the state in one step: after a crash the file holds the old or the new state, never half of one."""
    write_private(path, state.model_dump_json(indent=2) + "\n")


@dataclass
class StateStore:
    """The target's state while its lock is held; every change reaches the disk before it is acted on."""

    path: Path
    state: TargetState

    def put(self, state: TargetState) -> TargetState:
        """Replace the state."""
        self.state = state
        save_state(self.path, state)
        return state
