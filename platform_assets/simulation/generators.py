"""The contract of a generator, and how a declaration that names one becomes an object.

Belongs here: `Generator`, `load_generator` and the one error they raise. Does not belong here: any particular
generator.

A generator is a class with
* `settings_type`: a pydantic model with every setting described and defaulted, unknown ones refused;
* `__init__(self, settings)`, which takes one instance of it;
* `tables` and `read`, as in `Generator`;
* if it can plant a drift, `drifts`, the kinds that its setting `drift: {kind, day}` takes;
* if it has a smaller world for a first look, `small_world`, the settings of that.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from datetime import date
from typing import Any, Protocol, runtime_checkable

import polars as pl
from pydantic import BaseModel, ValidationError


class GeneratorError(ValueError):
    """A generator was named, set up or asked for something that it is not or does not have."""


@runtime_checkable
class Generator(Protocol):
    """Tables made up from settings. The rows of a day are a pure function of (settings, table, day)."""

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables that `read` knows."""
        ...

    def read(self, table: str, first_day: date | None, last_day: date | None) -> pl.DataFrame:
        """Rows of one table whose event day lies in the inclusive range; static tables ignore the range."""
        ...


def drifts_of(dotted: str) -> tuple[str, ...]:
    """The kinds of drift that a generator can plant; none where it cannot.

    Raises:
        GeneratorError: the path names no class.
    """
    return tuple(getattr(_load_class(dotted), "drifts", ()))


def small_world_of(dotted: str) -> Mapping[str, Any]:
    """Settings of a generator's small world; none where it has no other than its own.

    Raises:
        GeneratorError: the path names no class.
    """
    return dict(getattr(_load_class(dotted), "small_world", {}))


def load_generator(dotted: str, settings: Mapping[str, Any]) -> Generator:
    """The generator that a dotted path names, made with the given settings.

    Args:
        dotted: `package.module:Class`, such as `platform_assets.simulation.card_payments:CardPayments`.
        settings: Values for the fields of the class's `settings_type`; what is left out takes its default.

    Raises:
        GeneratorError: If the path is malformed, the module or the class does not exist, the class is no generator, or
            a setting is unknown or out of bounds. The message names what does exist.
    """
    generator_class = _load_class(dotted)
    settings_type = getattr(generator_class, "settings_type", None)
    if not (inspect.isclass(settings_type) and issubclass(settings_type, BaseModel)):
        raise GeneratorError(f"'{dotted}' is no generator: it needs a class attribute settings_type, a pydantic model.")
    try:
        values = settings_type.model_validate(dict(settings))
    except ValidationError as error:
        raise GeneratorError(_settings_message(dotted, settings_type, error)) from error
    generator = generator_class(values)
    if not isinstance(generator, Generator):
        raise GeneratorError(f"'{dotted}' is no generator: it needs tables and read(table, first_day, last_day).")
    return generator


def _load_class(dotted: str) -> Any:
    module_name, separator, class_name = dotted.partition(":")
    if not (separator and module_name and class_name):
        raise GeneratorError(f"'{dotted}' does not name a generator: write it as package.module:Class.")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        # A module that exists but misses something it imports is another fault, and keeps its own message.
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise GeneratorError(f"Generator '{dotted}': there is no module '{error.name}'; check its spelling.") from error
    generator = getattr(module, class_name, None)
    if not inspect.isclass(generator):
        own = sorted(name for name, value in vars(module).items() if inspect.isclass(value) and hasattr(value, "read"))
        known = f"its generators are {', '.join(own)}" if own else "it has no generators"
        raise GeneratorError(f"Generator '{dotted}': module '{module_name}' has no class '{class_name}'; {known}.")
    return generator


def _settings_message(dotted: str, settings_type: type[BaseModel], error: ValidationError) -> str:
    problems = []
    for problem in error.errors():
        field = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            problems.append(f"there is no setting '{field}'")
        else:
            problems.append(f"setting '{field}' is {problem['input']!r}: {problem['msg']}")
    known = ", ".join(settings_type.model_fields)
    return f"Generator '{dotted}': {'; '.join(problems)}. Settings: {known}."
