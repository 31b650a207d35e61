"""What every learner has in common: its interface, its settings and how they are checked.

Belongs here: types and checks that hold for all learners. Does not belong here: anything about one learner's library.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, Protocol, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

Matrix: TypeAlias = NDArray[np.float64]
Vector: TypeAlias = NDArray[np.float64]
Days: TypeAlias = NDArray[np.datetime64]
SettingValue: TypeAlias = bool | int | float | str | tuple[bool | int | float | str | None, ...] | None

Objective: TypeAlias = Literal["binary", "multiclass", "regression"]
OBJECTIVES: tuple[Objective, ...] = ("binary", "multiclass", "regression")
"""What learners can be fitted for: the losses there are, not the kinds of task, of which several may share one
(`DeclaredTask.objective`). Written here too, because a learner's worker process imports no declaration."""


class LearnerSettingsError(ValueError):
    """A learner, objective or setting that does not exist or is out of its range; the message names what is allowed."""


class TrainingError(ValueError):
    """Training rows that a learner cannot be fitted on; the message names the rows and the reason."""


class FittedModel(Protocol):
    """What a learner leaves behind: it predicts from finite numbers and can be written to a folder without pickle."""

    def predict(self, X: Matrix) -> Vector:
        """Probability of the positive class, or the value: float64 [n] from float64 [n, f], without missing values.

        Of more than two classes the probability of each: float64 [n, k].
        """
        ...

    def save(self, folder: Path) -> tuple[str, ...]:
        """Write the payload files into `folder`, byte for byte the same for the same model; their names."""
        ...


class FitFunction(Protocol):
    """Fit one kind: X float64 [n, f] finite, y float64 [n], event_day datetime64[D] [n] or None, settings complete.

    Of a multi-class task y holds 0 to k - 1, each of them at least once, and k is 3 or more: two classes are given as a binary task.
    """

    def __call__(
        self, X: Matrix, y: Vector, event_day: Days | None, objective: Objective, settings: Mapping[str, Any], seed: int
    ) -> FittedModel:
        """The fitted model."""
        ...


class LoadFunction(Protocol):
    """Read back what `FittedModel.save` of the same kind wrote."""

    def __call__(self, folder: Path) -> FittedModel:
        """The fitted model."""
        ...


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of a learner, under its library's own name: default, what it means, and what it may be."""

    default: SettingValue
    description: str
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()
    optional: bool = False

    def allowed(self) -> str:
        """What the setting may be, in words."""
        if self.choices:
            words = f"one of {', '.join(self.choices)}"
        elif isinstance(self.default, bool):
            words = "true or false"
        elif isinstance(self.default, str):
            words = "a text"
        else:
            kind = "number" if isinstance(self.default, float) else "whole number"
            words = f"a list of {kind}s" if isinstance(self.default, tuple) else f"a {kind}"
            if self.least is not None and self.most is not None:
                words += f" from {self.least:g} to {self.most:g}"
            elif self.least is not None:
                words += f" of at least {self.least:g}"
        return f"{words}, or null" if self.optional else words

    def checked(self, value: Any) -> SettingValue:
        """`value` in the setting's own type.

        Raises:
            ValueError: the value is not allowed.
        """
        if value is None and self.optional:
            return None
        if self.choices:
            if value not in self.choices:
                raise ValueError(value)
            return cast(str, value)
        if isinstance(self.default, str):
            if not isinstance(value, str):
                raise ValueError(value)
            return value
        if isinstance(self.default, bool):
            if not isinstance(value, bool):
                raise ValueError(value)
            return value
        if isinstance(self.default, tuple):
            if isinstance(value, str) or not hasattr(value, "__iter__"):
                raise ValueError(value)
            return tuple(cast(int, self._number(item, whole=True)) for item in value)
        return self._number(value, whole=not isinstance(self.default, float))

    def _number(self, value: Any, whole: bool) -> int | float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(value)
        if whole and int(value) != value:
            raise ValueError(value)
        if not np.isfinite(value) or (self.least is not None and value < self.least):
            raise ValueError(value)
        if self.most is not None and value > self.most:
            raise ValueError(value)
        return int(value) if whole else float(value)


@dataclass(frozen=True, slots=True)
class LearnerKind:
    """A kind of learner.

    Attributes:
        name: what a requirement calls it.
        description: one line for people.
        settings: every setting by name, in the order they are reported.
        fit: how it is fitted.
        load: how it is read back.
        libraries: distributions needed to load it and predict, and so by a service.
        objectives: what it can be fitted for.
        fit_libraries: distributions needed to fit it only.
        open_settings: whether it takes settings beyond those listed, because a library names them.
        check: refuses settings that do not go together, with `LearnerSettingsError`; not called when a model is loaded.
        made_of: of a kind that is made of other learners: the learner of these members, with settings as declared or as recorded.
    """

    name: str
    description: str
    settings: Mapping[str, Setting]
    fit: FitFunction
    load: LoadFunction
    libraries: tuple[str, ...]
    objectives: tuple[Objective, ...] = OBJECTIVES
    fit_libraries: tuple[str, ...] = ()
    open_settings: bool = False
    check: Callable[[Objective, Mapping[str, SettingValue]], None] | None = None
    made_of: Callable[[Sequence[Learner], Mapping[str, Any]], Learner] | None = None

    def checked_objective(self, objective: str) -> Objective:
        """`objective`, if this kind can be fitted for it.

        Raises:
            LearnerSettingsError: it cannot.
        """
        if objective not in self.objectives:
            raise LearnerSettingsError(
                f"learner {self.name!r}: task {objective!r} is not one of {', '.join(self.objectives)}"
            )
        return objective


@dataclass(frozen=True, slots=True)
class Learner:
    """A kind with its objective and complete settings: everything but the rows and the seed."""

    kind: LearnerKind
    objective: Objective
    settings: Mapping[str, SettingValue]

    @property
    def name(self) -> str:
        """The kind's name."""
        return self.kind.name

    @property
    def libraries(self) -> tuple[str, ...]:
        """Distributions needed to load and predict."""
        return self.kind.libraries

    @property
    def fit_libraries(self) -> tuple[str, ...]:
        """Distributions needed to fit only."""
        return self.kind.fit_libraries

    def document(self) -> dict[str, Any]:
        """Kind and settings, of the members too, as JSON can hold them: enough to make the same learner again."""
        settings = {name: list(value) if isinstance(value, tuple) else value for name, value in self.settings.items()}
        return {"learner": self.name, "settings": settings}

    def fit(self, X: Matrix, y: Vector, seed: int, event_day: Days | None = None) -> FittedModel:
        """Fit on rows without missing values.

        Args:
            X: float64 [n, f], finite.
            y: float64 [n]; 0.0 or 1.0 for a binary task, 0 to k - 1 without a gap for a multi-class one.
            seed: decides every random choice; the same rows and seed give the same model.
            event_day: datetime64[D] [n], for learners that hold the last day back to stop early.

        Raises:
            TrainingError: there are no rows, a binary label is neither 0 nor 1, or only one class occurs.
        """
        check_rows(self.name, X, y, self.objective)
        try:
            return self.kind.fit(X, y, event_day, objective_of(self.objective, y), self.settings, seed)
        except TrainingError:
            raise
        except (ValueError, ArithmeticError, TypeError, np.linalg.LinAlgError) as error:
            raise TrainingError(f"learner {self.name!r} cannot be fitted on {len(X)} rows: {error}") from error

    def with_settings(self, changes: Mapping[str, Any]) -> Learner:
        """The same learner with some settings changed.

        Raises:
            LearnerSettingsError: a setting does not exist or a value is not allowed.
        """
        settings = resolve_settings(self.kind, {**self.settings, **changes})
        if self.kind.check is not None:
            self.kind.check(self.objective, settings)
        return Learner(self.kind, self.objective, settings)


def resolve_settings(kind: LearnerKind, given: Mapping[str, Any]) -> Mapping[str, SettingValue]:
    """The kind's defaults with `given` in their place, in the kind's order.

    Raises:
        LearnerSettingsError: a setting is unknown or its value not allowed.
    """
    unknown = sorted(set(given) - set(kind.settings))
    if unknown and not kind.open_settings:
        allowed = ", ".join(kind.settings) or "none"
        raise LearnerSettingsError(
            f"learner {kind.name!r}: unknown setting {unknown[0]!r}; its settings are: {allowed}"
        )
    resolved: dict[str, SettingValue] = {}
    for name, setting in kind.settings.items():
        try:
            resolved[name] = setting.checked(given[name]) if name in given else setting.default
        except ValueError as error:
            raise LearnerSettingsError(
                f"learner {kind.name!r}: setting {name!r} is {given[name]!r}; it must be {setting.allowed()}"
            ) from error
    for name in unknown:
        resolved[name] = _plain(kind.name, name, given[name])
    return MappingProxyType(resolved)


def _plain(kind: str, name: str, value: Any) -> SettingValue:
    """A setting that a library checks: anything that can be written down."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple) and all(
        item is None or isinstance(item, bool | int | float | str) for item in value
    ):
        return tuple(value)
    raise LearnerSettingsError(
        f"learner {kind!r}: setting {name!r} is {value!r}; it must be a number, a text, true, false, null or a list of these"
    )


def weight_of_positives(settings: Mapping[str, Any], y: Vector) -> float:
    """How much a positive row weighs next to a negative one: `class_weight: balanced` gives both classes the same sum."""
    if settings["class_weight"] == "none":
        return 1.0
    count = positives(y)
    return (len(y) - count) / count if count else 1.0


def constraints(monotone: tuple[int, ...], inputs: int) -> tuple[int, ...]:
    """Monotone constraints for every input; none where the setting is empty.

    Raises:
        TrainingError: there are constraints for another number of inputs.
    """
    if monotone and len(monotone) != inputs:
        raise TrainingError(
            f"setting 'monotone' has {len(monotone)} entries for {inputs} inputs; give one for each input"
        )
    return monotone or (0,) * inputs


def positives(y: Vector) -> int:
    """How many rows carry the positive label."""
    return int((y == 1.0).sum())


def objective_of(objective: Objective, y: Vector) -> Objective:
    """What a learner is asked to do: a multi-class task whose rows have two classes is a binary one."""
    return "binary" if objective == "multiclass" and int(y.max()) == 1 else objective


def check_rows(name: str, X: Matrix, y: Vector, objective: Objective) -> None:
    """Rows that no learner could be fitted on for this objective are refused with one message for all."""
    if X.ndim != 2 or len(X) != len(y):
        raise TrainingError(f"learner {name!r}: X has shape {X.shape} and y {y.shape}; they must be [n, f] and [n]")
    if len(X) == 0:
        raise TrainingError(f"learner {name!r}: there are no training rows")
    if objective == "binary":
        other = int(((y != 0.0) & (y != 1.0)).sum())
        if other:
            raise TrainingError(f"learner {name!r}: {other} of {len(y)} labels are neither 0 nor 1")
        if name != "constant" and positives(y) in (0, len(y)):
            raise TrainingError(
                f"learner {name!r}: all {len(y)} training labels are {y[0]:g}; both classes are needed to learn, "
                "so train on more days; where only rows of one label are delivered, declare `label.absent`, what no row means"
            )
    if objective == "multiclass":
        classes = np.unique(y)
        if not np.array_equal(classes, np.arange(len(classes))):
            raise TrainingError(f"learner {name!r}: the labels are not the places of classes, 0 to k - 1 without a gap")
        if name != "constant" and len(classes) == 1:
            raise TrainingError(
                f"learner {name!r}: all {len(y)} training labels are of one class; two are needed to learn, so train on more days"
            )
