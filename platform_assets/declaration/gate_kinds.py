"""The gates that a declaration can make: their names there, and what judges each.

Belongs here: one object for each gate, and their list, in the order in which they are judged: whoever declares a bypass, reads a verdict or
judges a model takes the names from here. Does not belong here: bounds (`sections/gates.py`), judging (`evaluation/gates`).

A further gate is an object here, a line in this list, and a function in `evaluation/gates`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from platform_assets.declaration.sections.gates import Gates
from platform_assets.declaration.tasks.base import DeclaredTask
from platform_assets.members import MemberRegistry

Names: TypeAlias = Callable[[Gates, DeclaredTask], tuple[str, ...]]


@dataclass(frozen=True)
class DeclaredGate:
    """A gate.

    Attributes:
        names: its names in a declaration, one for each check: none where it is not declared, several where it is several times.
        judged_by: `package.module:FUNCTION`, an `evaluation.gates.base.Judgement`.
    """

    names: Names
    judged_by: str


def _gate(names: Names, where: str) -> DeclaredGate:
    return DeclaredGate(names, f"platform_assets.evaluation.gates.{where}")


def _once(name: str, is_declared: Callable[[Gates, DeclaredTask], bool]) -> Names:
    return lambda gates, task: (name,) if is_declared(gates, task) else ()


def _bounds(field: str) -> Callable[[Gates, DeclaredTask], bool]:
    """Whether a bound on probabilities is declared and applies to the kind of task."""
    return lambda gates, task: field in task.gate_fields and getattr(gates, field) is not None


TRAINING_DATA = _gate(lambda gates, task: ("training_data",), "training_period:training_data_gate")
TRAINING_DAYS = _gate(
    _once("training_days", lambda gates, task: gates.min_day_ratio is not None),
    "training_period:training_days_gate",
)
UNKNOWN_ENTITIES = _gate(lambda gates, task: ("unknown_entities",), "unknown_entities:unknown_entities_gate")
BEATS_BASELINES = _gate(lambda gates, task: ("beats_baselines",), "comparisons:beats_baselines_gate")
NO_WORSE_THAN_CHAMPION = _gate(
    lambda gates, task: ("no_worse_than_champion",), "comparisons:no_worse_than_champion_gate"
)
NOT_TRAINED_ON_TEST_DAYS = _gate(
    lambda gates, task: ("not_trained_on_test_days",), "provenance:not_trained_on_test_days_gate"
)
FLOORS = _gate(lambda gates, task: tuple(f"floor_{floor.metric}" for floor in gates.floors), "bounds:floors_gate")
PLAUSIBLE = _gate(
    lambda gates, task: tuple(f"plausible_{metric}" for metric in gates.plausible), "bounds:plausible_gate"
)
PLAUSIBLE_BY_DEFAULT = _gate(
    _once("plausible", lambda gates, task: gates.plausible_by_default), "bounds:plausible_by_default_gate"
)
CALIBRATION = _gate(_once("calibration", _bounds("max_calibration_error")), "bounds:calibration_gate")
RELATIVE_CALIBRATION = _gate(
    _once("relative_calibration", _bounds("max_relative_calibration_error")),
    "bounds:relative_calibration_gate",
)
MEAN_PREDICTION = _gate(_once("mean_prediction", _bounds("max_calibration_ratio")), "bounds:mean_prediction_gate")
SLICES = _gate(
    lambda gates, task: tuple(f"slice_{item.name}" for item in gates.slices if item.judges_quality),
    "slices:slices_gate",
)
FAIRNESS = _gate(
    lambda gates, task: tuple(f"fairness_{item.name}" for item in gates.slices if item.judges_fairness),
    "slices:slices_gate",
)
BEHAVIOUR = _gate(
    lambda gates, task: tuple(f"behaviour_{test.name}" for test in gates.behaviour), "behaviour:behaviour_gate"
)
SINGLE_FEATURE = _gate(
    _once("single_feature", lambda gates, task: bool(gates.single_feature_bounds(task))),
    "leakage:single_feature_gate",
)
NO_LEAKAGE = _gate(lambda gates, task: ("no_leakage",), "combinations:no_leakage_gate")
IMPORTANCE = _gate(
    _once("importance", lambda gates, task: gates.max_importance_share is not None), "leakage:importance_gate"
)
SCORING_TIME = _gate(
    _once("scoring_time", lambda gates, task: gates.max_scoring_milliseconds is not None),
    "footprint:scoring_time_gate",
)
MODEL_SIZE = _gate(
    _once("model_size", lambda gates, task: gates.max_model_megabytes is not None), "footprint:model_size_gate"
)
REPRODUCIBLE = _gate(_once("reproducible", lambda gates, task: gates.reproducible), "provenance:reproducible_gate")

_MODULE = "platform_assets.declaration.gate_kinds"
DECLARED_GATES: MemberRegistry[DeclaredGate] = MemberRegistry(
    "gate",
    {
        "training_data": f"{_MODULE}:TRAINING_DATA",
        "training_days": f"{_MODULE}:TRAINING_DAYS",
        "unknown_entities": f"{_MODULE}:UNKNOWN_ENTITIES",
        "beats_baselines": f"{_MODULE}:BEATS_BASELINES",
        "no_worse_than_champion": f"{_MODULE}:NO_WORSE_THAN_CHAMPION",
        "not_trained_on_test_days": f"{_MODULE}:NOT_TRAINED_ON_TEST_DAYS",
        "floors": f"{_MODULE}:FLOORS",
        "plausible": f"{_MODULE}:PLAUSIBLE",
        "plausible_by_default": f"{_MODULE}:PLAUSIBLE_BY_DEFAULT",
        "calibration": f"{_MODULE}:CALIBRATION",
        "relative_calibration": f"{_MODULE}:RELATIVE_CALIBRATION",
        "mean_prediction": f"{_MODULE}:MEAN_PREDICTION",
        "slices": f"{_MODULE}:SLICES",
        "fairness": f"{_MODULE}:FAIRNESS",
        "behaviour": f"{_MODULE}:BEHAVIOUR",
        "single_feature": f"{_MODULE}:SINGLE_FEATURE",
        "no_leakage": f"{_MODULE}:NO_LEAKAGE",
        "importance": f"{_MODULE}:IMPORTANCE",
        "scoring_time": f"{_MODULE}:SCORING_TIME",
        "model_size": f"{_MODULE}:MODEL_SIZE",
        "reproducible": f"{_MODULE}:REPRODUCIBLE",
    },
)


def gate_names(gates: Gates, task: DeclaredTask) -> list[str]:
    """The names of all gates that a declaration makes, in the order in which they are judged."""
    return [name for key in DECLARED_GATES for name in DECLARED_GATES[key].names(gates, task)]
