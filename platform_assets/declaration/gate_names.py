"""Which gates a declaration makes, by name and in the order in which they are judged.

Belongs here: names alone: whoever declares a bypass, reads a verdict or judges a model takes them from here. Does not belong here: bounds
(`sections/gates.py`), judging (`evaluation/gates`, where each of these gates is one object).
"""

from collections.abc import Mapping

from platform_assets.declaration.sections.gates import Gates
from platform_assets.declaration.tasks.base import DeclaredTask


def names_by_gate(gates: Gates, task: DeclaredTask) -> Mapping[str, tuple[str, ...]]:
    """The names that each gate has in a declaration; none where it is not declared, several where it is declared several times."""

    def once(name: str, declared: bool) -> tuple[str, ...]:
        return (name,) if declared else ()

    def applies(field: str) -> bool:
        return field in task.gate_fields and getattr(gates, field) is not None

    return {
        "training_data": ("training_data",),
        "training_days": once("training_days", gates.min_day_ratio is not None),
        "beats_baselines": ("beats_baselines",),
        "no_worse_than_champion": ("no_worse_than_champion",),
        "not_trained_on_test_days": ("not_trained_on_test_days",),
        "floors": tuple(f"floor_{floor.metric}" for floor in gates.floors),
        "plausible": tuple(f"plausible_{metric}" for metric in gates.plausible),
        "calibration": once("calibration", applies("max_calibration_error")),
        "relative_calibration": once("relative_calibration", applies("max_relative_calibration_error")),
        "mean_prediction": once("mean_prediction", applies("max_calibration_ratio")),
        "slices": tuple(f"slice_{item.name}" for item in gates.slices if item.judges_quality),
        "fairness": tuple(f"fairness_{item.name}" for item in gates.slices if item.judges_fairness),
        "behaviour": tuple(f"behaviour_{test.name}" for test in gates.behaviour),
        "single_feature": once("single_feature", bool(gates.single_feature_bounds(task))),
        "importance": once("importance", gates.max_importance_share is not None),
        "scoring_time": once("scoring_time", gates.max_scoring_milliseconds is not None),
        "model_size": once("model_size", gates.max_model_megabytes is not None),
        "reproducible": once("reproducible", gates.reproducible),
    }


def gate_names(gates: Gates, task: DeclaredTask) -> list[str]:
    """The names of all gates that a declaration makes, in the order in which they are judged."""
    return [name for names in names_by_gate(gates, task).values() for name in names]
