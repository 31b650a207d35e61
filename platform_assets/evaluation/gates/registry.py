"""The judgement of each gate.

Belongs here: finding it by declaration. Does not belong here: the gates themselves, their names and their list, which are the
declaration's (`declaration/gate_kinds.py`), or putting results together (`judging`).
"""

from __future__ import annotations

from collections.abc import Iterator

from platform_assets.declaration import UseCase
from platform_assets.declaration.gate_kinds import DECLARED_GATES
from platform_assets.evaluation.gates.base import Judgement
from platform_assets.members import ImplementationRegistry

GATES: ImplementationRegistry[Judgement] = ImplementationRegistry(DECLARED_GATES, lambda declared: declared.judged_by)


def declared_gates(use_case: UseCase) -> Iterator[tuple[Judgement, str]]:
    """Every gate of a use case with its name, in the order in which they are judged."""
    for key in DECLARED_GATES:
        for name in DECLARED_GATES[key].names(use_case.gates, use_case.task):
            yield GATES[key], name
