"""How a new version takes over, and what it may not do worse than the old one on the way.

Belongs here: one model for each strategy that can be declared, their list, and the guards. Does not belong here: what a strategy makes of
it (`deployment/rollout/`, each model names its behaviour), or the tests behind the guards (`experiments/sequential/`).

A further strategy is a model here, a line in the list, and a file in `deployment/rollout/`.
"""

import itertools
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from platform_assets.declaration.base import Declaration
from platform_assets.declaration.registered_models import OfRegistered
from platform_assets.members import MemberRegistry


class RolloutStage(Declaration):
    """What all strategies have in common."""

    strategy: str = Field(description="Which strategy.")
    behaviour: ClassVar[str]
    """`package.module:CLASS` of the `deployment.rollout.strategy.Strategy` that it is."""
    waits: ClassVar[bool] = True
    """Whether two versions run side by side for a while, which only a service can have."""
    only_first: ClassVar[bool] = False
    """Whether it has to stand before every stage in which the new version answers."""
    only_last: ClassVar[bool] = False
    """Whether nothing can follow it."""
    needs_experiment: ClassVar[bool] = False
    """Whether it does what `experiment` plans."""

    def at_most_minutes(self) -> float | None:
        """After so long without a verdict it is undecided; None for never."""
        return None

    def at_least_minutes(self) -> float:
        """It lasts at least so long."""
        return 0.0

    @model_validator(mode="after")
    def _can_end(self) -> Self:
        most, least = self.at_most_minutes(), self.at_least_minutes()
        if most is not None and most < least:
            raise ValueError(
                f"at_most_hours are over ({most:g} minutes) before the {least:g} minutes that it lasts at least"
            )
        return self


class ShadowStage(RolloutStage):
    """The new version gets copies of requests; its answers are logged as `shadow`, compared, and given to nobody."""

    strategy: Literal["shadow"] = Field(description="Which strategy.")
    share_percent: int = Field(default=100, ge=1, le=100, description="Share of the requests that are copied.")
    minutes: float = Field(default=30, ge=0, description="It lasts at least so long.")
    at_most_hours: float = Field(
        default=24, gt=0, description="After so long without a verdict `guards.undecided` says what happens."
    )
    behaviour: ClassVar[str] = "platform_assets.deployment.rollout.shadow:Shadow"
    only_first: ClassVar[bool] = True

    def at_most_minutes(self) -> float:
        """After so long without a verdict it is undecided."""
        return self.at_most_hours * 60

    def at_least_minutes(self) -> float:
        """It lasts at least so long."""
        return self.minutes


class CanaryStage(RolloutStage):
    """The new version answers a small share of the requests first, then more."""

    strategy: Literal["canary"] = Field(description="Which strategy.")
    steps_percent: tuple[int, ...] = Field(
        default=(5, 25, 50),
        min_length=1,
        description="Its share after each step, rising within 1..99; 100 is what `replace` gives.",
    )
    step_minutes: float = Field(default=10, ge=0, description="Each step lasts at least so long.")
    at_most_hours: float = Field(
        default=24,
        gt=0,
        description="After so long in one step without a verdict `guards.undecided` says what happens.",
    )
    behaviour: ClassVar[str] = "platform_assets.deployment.rollout.canary:Canary"

    def at_most_minutes(self) -> float:
        """After so long in one step without a verdict it is undecided."""
        return self.at_most_hours * 60

    def at_least_minutes(self) -> float:
        """Each step lasts at least so long."""
        return self.step_minutes

    @model_validator(mode="after")
    def _steps_rise(self) -> Self:
        steps = self.steps_percent
        if any(not 1 <= step <= 99 for step in steps) or any(a >= b for a, b in itertools.pairwise(steps)):
            raise ValueError(f"steps_percent must rise within 1..99 (replace gives 100), got {list(steps)}")
        return self


class AbStage(RolloutStage):
    """Both versions answer side by side, each entity always the same one, as `experiment` plans it."""

    strategy: Literal["ab"] = Field(description="Which strategy.")
    at_most_days: float = Field(
        default=28, gt=0, description="After so long without a verdict `guards.undecided` says what happens."
    )
    behaviour: ClassVar[str] = "platform_assets.deployment.rollout.ab:Ab"
    needs_experiment: ClassVar[bool] = True

    def at_most_minutes(self) -> float:
        """After so long without a verdict it is undecided."""
        return self.at_most_days * 24 * 60


class ReplaceStage(RolloutStage):
    """The new version gets all requests at once."""

    strategy: Literal["replace"] = Field(description="Which strategy.")
    keep_minutes: float = Field(
        default=0, ge=0, description="So long the old version stays up without requests, for an instant way back."
    )
    behaviour: ClassVar[str] = "platform_assets.deployment.rollout.strategy:Replace"
    waits: ClassVar[bool] = False
    only_last: ClassVar[bool] = True


DECLARED_STRATEGIES: MemberRegistry[type[RolloutStage]] = MemberRegistry(
    "rollout strategy",
    {
        "replace": "platform_assets.declaration.sections.rollout:ReplaceStage",
        "canary": "platform_assets.declaration.sections.rollout:CanaryStage",
        "shadow": "platform_assets.declaration.sections.rollout:ShadowStage",
        "ab": "platform_assets.declaration.sections.rollout:AbStage",
    },
)


AnyRolloutStage = Annotated[RolloutStage, OfRegistered(DECLARED_STRATEGIES, "strategy")]
"""A declared stage of any registered strategy."""


class Guards(Declaration):
    """What a new version may not do worse than the old one by more than a margin, and how sure a verdict has to be."""

    alpha: float = Field(
        default=0.05,
        gt=0,
        lt=0.5,
        description="Chance that a version that is no worse is stopped, over all guards together.",
    )
    error_ratio: float = Field(
        default=0.005, gt=0, lt=1, description="Margin of the share of requests that fail, new minus old."
    )
    latency_p99_ratio: float = Field(
        default=0.2, gt=0, description="Margin of the 99th percentile of the latency, as a share of the old one's."
    )
    score_shift: float = Field(default=0.05, gt=0, description="Margin of the mean score, up or down.")
    decision_shift: float = Field(
        default=0.02, gt=0, lt=1, description="Margin of the share of each decision, up or down."
    )
    block_seconds: int = Field(
        default=10,
        ge=1,
        le=300,
        description="What happens within so long counts as one thing: longer than a bad moment of a process lasts, or too many good "
        "versions are stopped.",
    )
    undecided: Literal["hold", "promote", "abort"] = Field(
        default="hold",
        description="What happens when a stage has waited as long as it may without a verdict: a person decides, it goes on or goes back.",
    )
