"""The canary: a new version gets a little traffic first, then more.

Belongs here: the shares of the steps. Does not belong here: taking a step or deciding to turn back (`machine.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

from platform_assets.deployment.rollout.strategy import check_steps


@dataclass(frozen=True)
class Canary:
    """Little by little; a step that fails gives everything back to the old version.

    Attributes:
        steps: the new version's traffic in percent after each step.
    """

    steps: tuple[int, ...] = (5, 25, 100)

    def __post_init__(self) -> None:
        check_steps(self.steps)
