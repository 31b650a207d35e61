"""What a target remembers of the versions it holds, whatever the target: arms, their weights, and a rollout under way.

Belongs here: the stored model, and changes to it as pure functions. Does not belong here: what only one kind of target remembers of an arm
(its own `state.py`), storing it, and what can be asked at any time (process ids, health); it would go stale.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer, model_validator

from platform_assets.declaration.sections.callers import Callers
from platform_assets.deployment.rollout.stages import FULL_WEIGHT, Assignment
from platform_assets.deployment.rollout.state import Rollout
from platform_assets.deployment.rollout.view import ArmView, RolloutView


class Stored(BaseModel):
    """A value that outlives a command; a key that nobody knows is damage."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class RememberedArm(Stored):
    """One version of one use case.

    Attributes:
        name: `<use_case>-<generation>`, never used twice.
        weight: share of the use case's traffic in percent.
        callers: who may call it; None in states from before it was declared, and where nothing is.
    """

    name: str
    version: str
    fingerprint: str
    ready_path: str
    weight: int = 0
    callers: Callers | None = None

    @model_serializer(mode="wrap")
    def _without_undeclared_callers(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave the key out while nothing is declared: code from before it could be reads the state too."""
        values: dict[str, Any] = handler(self)
        if values["callers"] is None:
            del values["callers"]
        return values

    def weighted(self, weight: int) -> Self:
        """A copy with this weight."""
        return self.model_copy(update={"weight": weight})

    def copied_to(self) -> Self:
        """A copy that gets copies of requests."""
        return self


ArmT = TypeVar("ArmT", bound=RememberedArm)


class SplitState(Stored):
    """Which of two arms a request goes to by its entity; arms in `weights` of the use case have their shares to show only.

    Attributes:
        assignment: of the experiment.
        treatment: name of the arm that answers for treated entities.
        control: name of the arm that answers every other request.
    """

    assignment: Assignment
    treatment: str
    control: str


class RememberedUseCase(Stored, Generic[ArmT]):
    """The arms of one use case, oldest first, and the rollout between them.

    Attributes:
        mirror: name of the arm that gets copies of requests, None when none does.
        mirror_percent: share of the requests that it gets.
        split: how requests are told apart by entity, None while they are by chance.
    """

    arms: tuple[ArmT, ...] = ()
    rollout: Rollout | None = None
    mirror: str | None = None
    mirror_percent: int = FULL_WEIGHT
    split: SplitState | None = None

    @model_serializer(mode="wrap")
    def _without_what_is_not_used(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave keys out while nothing is mirrored or split: code from before there was either reads the state too."""
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

    @property
    def weights(self) -> dict[str, int]:
        """Traffic in percent by version; a version that is deployed anew has two arms for a while."""
        weights: dict[str, int] = {}
        for arm in self.arms:
            weights[arm.version] = weights.get(arm.version, 0) + arm.weight
        return weights

    def arm(self, name: str | None) -> ArmT | None:
        """One arm, None when it is gone."""
        return next((arm for arm in self.arms if arm.name == name), None)

    def serving(self) -> ArmT | None:
        """The arm with the most traffic, None when none has any."""
        return max((arm for arm in self.arms if arm.weight > 0), key=lambda arm: arm.weight, default=None)

    def view(self, use_case: str) -> RolloutView | None:
        """The rollout with its arms, None when nothing is rolled out."""
        if self.rollout is None:
            return None
        arms = tuple(
            ArmView(
                arm.name,
                arm.version,
                arm.fingerprint,
                arm.weight,
                self.mirror_percent if arm.name == self.mirror else 0,
            )
            for arm in self.arms
        )
        return RolloutView(use_case, self.rollout, arms)


class RememberedTarget(Stored, Generic[ArmT]):
    """Everything a target remembers between two commands, but for what only its kind does.

    Attributes:
        generation: of the newest arm.
    """

    generation: int = 0
    use_cases: dict[str, RememberedUseCase[ArmT]] = {}

    @classmethod
    def _never_deployed(cls) -> RememberedUseCase[ArmT]:
        """The state of a use case that was never deployed, of the kind's own arms."""
        raise NotImplementedError

    def use_case(self, name: str) -> RememberedUseCase[ArmT]:
        """The state of one use case, empty when it was never deployed."""
        return self.use_cases.get(name) or self._never_deployed()

    def arms(self) -> Iterator[tuple[str, ArmT]]:
        """Every arm with its use case."""
        for use_case, state in sorted(self.use_cases.items()):
            for arm in state.arms:
                yield use_case, arm

    def arm(self, use_case: str, name: str) -> ArmT | None:
        """One arm, None when it is gone."""
        return self.use_case(use_case).arm(name)

    def serving(self, use_case: str) -> ArmT | None:
        """The arm with the most traffic, None when none has any."""
        return self.use_case(use_case).serving()

    def with_use_case(self, name: str, use_case: RememberedUseCase[ArmT]) -> Self:
        """A copy in which one use case is replaced, or gone when nothing is left of it."""
        others = {key: value for key, value in self.use_cases.items() if key != name}
        if use_case.arms or use_case.rollout:
            others[name] = use_case
        return self.model_copy(update={"use_cases": others})

    def with_rollout(self, use_case: str, rollout: Rollout | None) -> Self:
        """A copy in which a use case's rollout is replaced."""
        return self.with_use_case(use_case, self.use_case(use_case).model_copy(update={"rollout": rollout}))

    def with_arm(self, use_case: str, arm: ArmT) -> Self:
        """A copy in which an arm is added, or replaced when one has its name."""
        arms = self.use_case(use_case).arms
        if any(known.name == arm.name for known in arms):
            changed = tuple(arm if known.name == arm.name else known for known in arms)
        else:
            changed = (*arms, arm)
        return self.with_use_case(use_case, self.use_case(use_case).model_copy(update={"arms": changed}))

    def without_arm(self, use_case: str, name: str) -> Self:
        """A copy in which an arm is gone."""
        before = self.use_case(use_case)
        arms = tuple(arm for arm in before.arms if arm.name != name)
        mirror = None if before.mirror == name else before.mirror
        split = before.split if before.split and name not in (before.split.treatment, before.split.control) else None
        return self.with_use_case(use_case, before.model_copy(update={"arms": arms, "mirror": mirror, "split": split}))

    def with_mirror(self, use_case: str, name: str | None, percent: int = FULL_WEIGHT) -> Self:
        """A copy in which this arm, or none, gets copies of so many percent of the requests."""
        arm = None if name is None else self.arm(use_case, name)
        changed = self if arm is None else self.with_arm(use_case, arm.copied_to())
        update = {"mirror": None if arm is None else arm.name, "mirror_percent": percent if arm else FULL_WEIGHT}
        return changed.with_use_case(use_case, changed.use_case(use_case).model_copy(update=update))

    def with_weights(
        self,
        use_case: str,
        weights: Mapping[str, int],
        treated: str | None = None,
        assignment: Assignment | None = None,
    ) -> Self:
        """A copy in which the named arms have these weights and the others none.

        Raises:
            ValueError: a weight names an arm that does not exist, the weights do not add up to 100, or an assignment is not between two.
        """
        arms = self.use_case(use_case).arms
        unknown = set(weights) - {arm.name for arm in arms}
        if unknown or (weights and sum(weights.values()) != FULL_WEIGHT):
            raise ValueError(f"weights of {use_case} are {dict(weights)}: they must add up to 100 over existing arms")
        changed = self
        for arm in arms:
            changed = changed.with_arm(use_case, arm.weighted(weights.get(arm.name, 0)))
        split = None
        if assignment is not None:
            others = [name for name in weights if name != treated]
            if treated not in weights or len(others) != 1:
                raise ValueError(
                    f"an experiment of {use_case} is between two arms, one of them treated: {dict(weights)}"
                )
            split = SplitState(assignment=assignment, treatment=treated, control=others[0])
        return changed.with_use_case(use_case, changed.use_case(use_case).model_copy(update={"split": split}))
