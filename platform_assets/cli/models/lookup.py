"""What the commands about models have in common: a use case with its registry and ledger, versions and environments by name.

Belongs here: from what a person types to what a command works on. Does not belong here: any command.
"""

from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING

from platform_assets.declaration.loader import declared_use_cases
from platform_assets.installation import Installation
from platform_assets.registry.base import ENVIRONMENTS
from platform_assets.registry.errors import RegistryError
from platform_assets.settings import Settings

if TYPE_CHECKING:
    from platform_assets.declaration import UseCase
    from platform_assets.registry.base import Environment, ModelRegistry, RegisteredVersion
    from platform_assets.registry.ledger import Ledger


def opened(name: str) -> tuple[UseCase, ModelRegistry, Ledger, Settings]:
    """A use case with the registry and ledger of this installation."""
    settings = Settings.from_environment()
    use_case = declared_use_cases(name)[0].use_case
    settings.prepare()
    models = Installation(settings).models
    return use_case, models.registry(), models.ledger(name), settings


def named_version(registry: ModelRegistry, use_case: str, version: str) -> RegisteredVersion:
    """The version of that number or alias.

    Raises:
        RegistryError: there is none.
    """
    if version.isdecimal():
        return registry.get(use_case, version)
    aliased = registry.by_alias(use_case, version)
    if aliased is None:
        raise RegistryError(
            f"no version of model {use_case!r} has the alias {version!r}; `platform-assets models list {use_case}` shows what there is"
        )
    return aliased


def split_model(model: str) -> tuple[str, str]:
    """`MODEL@VERSION` in its two parts.

    Raises:
        ValueError: it is written otherwise.
    """
    name, separator, version = model.partition("@")
    if not separator or not name or not version:
        raise ValueError(
            f"{model!r} names no version: write MODEL@VERSION, such as {name or 'fraud'}@3 or {name or 'fraud'}@champion"
        )
    return name, version


def environment_named(name: str | None, own: Environment) -> Environment:
    """The environment of that name; without one, this installation's own.

    Raises:
        ValueError: there is none of that name.
    """
    if name is None:
        return own
    for environment in ENVIRONMENTS:
        if environment == name:
            return environment
    raise ValueError(f"there is no environment {name!r}; there are {', '.join(ENVIRONMENTS)}")


def system_user() -> str:
    """Name of the user whose process this is."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"user {os.getuid()}"
