"""The gates, in the order in which they are judged.

Belongs here: the list, and the names that a use case makes of it. Does not belong here: the gates themselves, or putting their results
together (`judging`).
"""

from __future__ import annotations

from collections.abc import Iterator

from platform_assets.declaration import UseCase
from platform_assets.evaluation.gates.base import Gate
from platform_assets.members import MemberRegistry

_ROOM = "platform_assets.evaluation.gates"

GATES: MemberRegistry[Gate] = MemberRegistry(
    "gate",
    {
        "training_data": f"{_ROOM}.training_period:TRAINING_DATA",
        "training_days": f"{_ROOM}.training_period:TRAINING_DAYS",
        "beats_baselines": f"{_ROOM}.comparisons:BASELINES",
        "no_worse_than_champion": f"{_ROOM}.comparisons:CHAMPION",
        "not_trained_on_test_days": f"{_ROOM}.provenance:NOT_TRAINED_ON_TEST_DAYS",
        "floors": f"{_ROOM}.bounds:FLOORS",
        "plausible": f"{_ROOM}.bounds:PLAUSIBLE",
        "calibration": f"{_ROOM}.bounds:CALIBRATION",
        "relative_calibration": f"{_ROOM}.bounds:RELATIVE_CALIBRATION",
        "mean_prediction": f"{_ROOM}.bounds:MEAN_PREDICTION",
        "slices": f"{_ROOM}.slices:SLICES",
        "fairness": f"{_ROOM}.slices:FAIRNESS",
        "behaviour": f"{_ROOM}.behaviour:BEHAVIOUR",
        "single_feature": f"{_ROOM}.leakage:SINGLE_FEATURE",
        "importance": f"{_ROOM}.leakage:IMPORTANCE",
        "scoring_time": f"{_ROOM}.footprint:SCORING_TIME",
        "model_size": f"{_ROOM}.footprint:MODEL_SIZE",
        "reproducible": f"{_ROOM}.provenance:REPRODUCIBLE",
    },
)


def declared_gates(use_case: UseCase) -> Iterator[tuple[Gate, str]]:
    """Every gate of a use case with its name, in the order in which they are judged."""
    for key in GATES:
        gate = GATES[key]
        for name in gate.names(use_case):
            yield gate, name


def gate_names(use_case: UseCase) -> list[str]:
    """The names of a use case's gates, in the order in which they are judged."""
    return [name for _, name in declared_gates(use_case)]
