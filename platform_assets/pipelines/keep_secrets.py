"""Keeping a folder of secrets fresh for those that read files.

Belongs here: which secrets, when, and who keeps the folder of services. Does not belong here: the folder's form
(`secret_sources/delivered.py`).
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event

from platform_assets.deployment.target import Target
from platform_assets.features.online.credentials import OF_SERVICES
from platform_assets.features.online.feature_store import FeatureStore
from platform_assets.secret_sources.delivered import deliver
from platform_assets.secret_sources.errors import SecretError, SecretsMissing, SourceMisconfigured
from platform_assets.secret_sources.kept import KeptSecrets
from platform_assets.settings import SECRETS_VARIABLE, Settings, environment_variables

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
KEEPER = "beside-secrets"
"""The program beside the services that keeps their folder."""


def place_of_services() -> Path:
    """The folder that the settings name for services.

    Raises:
        SourceMisconfigured: they name none.
    """
    settings = Settings.from_environment()
    folder = None if settings.secrets is None else settings.secrets.services
    if folder is None:
        raise SourceMisconfigured(
            f"{SECRETS_VARIABLE} names no folder for services: add `services`, best below /run or /dev/shm"
        )
    return folder


def keep_secrets(
    kept: KeptSecrets, folder: Path, names: Sequence[str], stopped: Event, *, once: bool = False
) -> Iterator[tuple[str, ...]]:
    """Write secrets into a folder, and again whenever they change.

    What was written stays while the source does not answer.

    Args:
        kept: the source.
        folder: where to.
        names: of the secrets, each of which has to be there; those that services need, as far as they are there, when empty.
        stopped: ends it.
        once: end after the first time.

    Yields:
        The names, after each time that something was written.

    Raises:
        SecretError: at the first time; later ones are logged.
    """
    began = False
    while not stopped.is_set():
        try:
            values = kept.values()
            absent = [name for name in names if name not in values]
            if absent:
                raise SecretsMissing(f"{kept.source.place} has no {', '.join(absent)}")
            chosen = {name: values[name] for name in names or OF_SERVICES if name in values}
            if deliver(chosen, folder) or not began:
                yield tuple(chosen)
        except SecretError as error:
            if not began:
                raise
            logger.warning("the secrets in %s stay as they are: %s", folder, error)
        began = True
        if once:
            return
        stopped.wait(LOOK_SECONDS)


def keep_for_services(feature_store: FeatureStore, target: Target) -> None:
    """Have the folder that services read from written, and kept by a program beside them; nothing where something else keeps it.

    Raises:
        SecretError: the source cannot be read, or the folder cannot be written.
        DeploymentError: the target cannot keep such a program, as on a cluster, where a Secret is mounted instead.
    """
    folder, kept = feature_store.credentials, feature_store.secrets
    if folder is None or kept is None or not feature_store.keeps_credentials:
        return
    list(keep_secrets(kept, folder, (), Event(), once=True))
    command = [sys.executable, "-m", "platform_assets.cli", "secrets", "keep", str(folder)]
    target.keep_beside(KEEPER, command, {SECRETS_VARIABLE: environment_variables()[SECRETS_VARIABLE]}, Path.cwd())
