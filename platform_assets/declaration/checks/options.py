"""Checks of chosen tools: what belongs to another value of a choice than the declared one is refused, never ignored.

Belongs here: comparing what is declared with the keys that options own, and with the cloud. Does not belong here: the options
(`options/`), or whether a value may be declared at all (their types).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from platform_assets.declaration.functions import FunctionNotFound, function_source
from platform_assets.declaration.options.clouds import CLOUD
from platform_assets.declaration.options.registry import CHOICES

if TYPE_CHECKING:
    from platform_assets.declaration.options.base import ToolChoice
    from platform_assets.declaration.use_case import UseCase

Problem = tuple[tuple[int | str, ...], Any, str]
"""A path in the declaration, the value there, and the message."""


def option_problems(use_case: UseCase) -> Iterator[Problem]:
    """Problems of chosen tools; paths start at the use case."""
    for field in CHOICES:
        yield from _keys_of_others(use_case, CHOICES[field])
        yield from _needed_keys(use_case, CHOICES[field])
    yield from _own_functions(use_case)
    yield from _other_clouds(use_case)


def declared_at(model: BaseModel, path: tuple[str, ...]) -> Any:
    """What somebody wrote at a place; None where nothing stands, or just what holds anyway."""
    value: Any = model
    for step in path:
        if not isinstance(value, BaseModel) or step not in value.model_fields_set:
            return None
        default = type(value).model_fields[step].get_default(call_default_factory=True)
        value = getattr(value, step)
        if value == default:
            return None
    return value


def _keys_of_others(use_case: UseCase, choice: ToolChoice[Any]) -> Iterator[Problem]:
    name = choice.declared_in(use_case)
    owned = {key for option in choice.options for key in choice.options[option].own_keys}
    for key in sorted(owned - set(choice.options[name].own_keys)):
        path = tuple(key.split("."))
        value = declared_at(use_case, path)
        if value is None:
            continue
        owners = [option for option in choice.options if key in choice.options[option].own_keys]
        allowed = [option for option in owners if choice.options[option].refused is None]
        yield (
            path,
            value if isinstance(value, str | int | float) else None,
            f"belongs to `{choice.field}` {' and '.join(owners)}; declared is {name}: declare "
            f"{' or '.join(f'`{option}`' for option in allowed)} there, or leave this out",
        )


def _needed_keys(use_case: UseCase, choice: ToolChoice[Any]) -> Iterator[Problem]:
    name = choice.declared_in(use_case)
    for key, reason in choice.options[name].needs.items():
        path = tuple(key.split("."))
        if declared_at(use_case, path) is None:
            yield path, None, f"`{choice.field}` {name} needs it: {reason}"


def _own_functions(use_case: UseCase) -> Iterator[Problem]:
    """A function of one's own has to be there when the declaration is loaded, not when a day was computed."""
    own, path = use_case.custom_feature_store, use_case.monitoring.rendered_by
    functions: dict[tuple[str, ...], str | None] = {
        ("custom_feature_store", "opened_by"): None if own is None else own.opened_by,
        ("monitoring", "rendered_by"): path,
    }
    for where, function in functions.items():
        try:
            if function is not None:
                function_source(function)
        except FunctionNotFound as error:
            yield where, function, str(error)


def _other_clouds(use_case: UseCase) -> Iterator[Problem]:
    """What belongs to another cloud than the declared one."""
    cloud = CLOUD.options[use_case.cloud]
    if cloud.takes_all:
        return
    others = [CLOUD.options[name] for name in CLOUD.options if name != use_case.cloud]
    for i, source in enumerate(use_case.sources):
        for other in others:
            if source.connector.kind in other.connectors:
                message = f"is a service of {other.name}, and `cloud` is {cloud.name}: declare `cloud: several`, or another connector"
                yield ("sources", i, "connector", "kind"), source.connector.kind, message
        path = getattr(source.connector, "path", None)
        scheme = str(path).partition("://")[0] if path is not None and "://" in str(path) else ""
        for other in others:
            if scheme and scheme in other.schemes:
                message = (
                    f"{scheme}:// is an address of {other.name}, and `cloud` is {cloud.name}: declare `cloud: several`, or an address "
                    f"of {cloud.name}"
                )
                yield ("sources", i, "connector", "path"), scheme, message
