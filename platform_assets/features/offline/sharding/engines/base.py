"""What an engine does.

Belongs here: the Protocol, and what all engines promise. Does not belong here: any engine.
"""

from __future__ import annotations

from typing import Any, Protocol

from platform_assets.features.offline.sharding.plan import ShardPlan
from platform_assets.features.offline.sharding.stages import Stages

MOST_ATTEMPTS = 3
"""How often a piece of work is begun before the backfill is given up."""


class ShardEngine(Protocol):
    """Carries out the stages.

    - Every chunk is scattered, every segment computed, every computed chunk gathered. What was declared wrongly fails at once.
    - What fails for another reason (a process that is killed, a disk that does not answer) is begun again by itself, `MOST_ATTEMPTS`
      times in all; nothing else is repeated.
    - What is returned depends on the stages alone, never on the engine.
    """

    def run(self, stages: Stages, plan: ShardPlan) -> list[Any]:
        """What `gather` returned for the computed chunks, in order of time, one after the other.

        Raises:
            FeatureError: the stages refuse the rows.
            ShardFailed: a piece of work failed as often as it may.
            ScratchFull: there is no room for what waits.
        """
