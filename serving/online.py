"""What the service needs of an online store, and opening the one that the settings name.

Belongs here: the interface, and telling "the store does not answer" from all other errors. Does not belong here: how features are
looked up or computed (`platform_assets/features/online/request_features.py`).
"""

from __future__ import annotations

import importlib
import math
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from platform_assets.features.errors import StoreLost
from platform_assets.features.online.damage import decode_errors, is_damage

if TYPE_CHECKING:
    from platform_assets.declaration import UseCase

PAUSE_SECONDS = 1.0
"""How long the store is left alone after it did not answer: waiting for it blocks every other request of the process."""


class StoreUnavailable(RuntimeError):
    """The online store cannot be reached or does not answer; trying again later may help."""


class StoreDamaged(StoreUnavailable):
    """What the online store holds for this event cannot be read or replaced; for others it answers."""


class StoreEmptied(StoreUnavailable):
    """The online store answers, and does not hold any more what was written to it; the message says how to fill it again."""


class EventTooOld(ValueError):
    """An event lies so far before its entity's newest that the online store no longer holds what its windows need."""


class ModelInputs(Protocol):
    """The model's inputs for one event."""

    @property
    def values(self) -> Sequence[float]:
        """In the order of `UseCase.feature_names`; NaN is missing."""
        ...

    @property
    def unknown_entities(self) -> Sequence[str]:
        """Names of the entities that have no history."""
        ...

    @property
    def too_late_for(self) -> Sequence[str]:
        """Names of the entities whose stored events no longer reach back as far as the event's windows do."""
        ...

    @property
    def mark(self) -> Any:
        """Where the exchange of events stood; None where that is not known."""
        ...


class FeatureLookup(Protocol):
    """Features of an event, and the memory of events that later requests see.

    `vector`, `announce` and `forget` are called in the event loop's thread, `record` in one other thread. `vector`, `announce` and
    `record` raise `StoreUnavailable` when the store does not answer, and `StoreDamaged` where only what it holds for the event is
    damaged. Recording the same event twice leaves the same memory as recording it once.
    """

    def vector(self, event: Mapping[str, Any]) -> ModelInputs:
        """The model's inputs for an event, whether or not it has been recorded."""
        ...

    def without_history(self, event: Mapping[str, Any]) -> ModelInputs:
        """The model's inputs as if nothing was known of the event's entities; the store is not asked."""
        ...

    def announce(self, event: Mapping[str, Any], mark: Any = None) -> bool:
        """Let later requests see the event at once, to whatever process; `record` or `forget` follows.

        With the `mark` of the vector it was scored from: False, and nothing done, when another event of its entities came in between.
        Without one this process sees it in any case.
        """
        ...

    def forget(self, event: Mapping[str, Any]) -> None:
        """Take back what was announced."""
        ...

    def record(self, event: Mapping[str, Any]) -> None:
        """Remember the event for later requests, to whatever process."""
        ...

    def record_all(self, events: Sequence[Mapping[str, Any]]) -> list[Exception | None]:
        """Remember events at the cost of few; for each what was wrong with it alone, None where it was remembered."""
        ...

    def warm_up(self) -> None:
        """Make the next call as fast as all later ones."""
        ...


def open_named(name: str, use_case: UseCase, feast: Mapping[str, Any]) -> FeatureLookup:
    """Open online features with the function that `module:name` names.

    Raises:
        StoreUnavailable: the store does not answer.
        FeatureError: the store was not filled under this use case's feature contract.
    """
    module, _, function = name.partition(":")
    return cast(FeatureLookup, getattr(importlib.import_module(module), function)(use_case, feast))


def open_online_features(use_case: UseCase, feast: Mapping[str, Any]) -> FeatureLookup:
    """Open the platform's online features.

    Args:
        use_case: the declaration.
        feast: fields of `FeastSettings`.

    Raises:
        StoreUnavailable: the store does not answer.
        StateError: Feast's registry has no feature service for this use case's feature contract.
        DriverMissing: the release lacks the driver of the database that the settings name.
    """
    from sqlalchemy.exc import SQLAlchemyError

    from platform_assets.features.online.drivers import require_driver

    feast = _credentials_read(feast)
    require_driver(feast)

    from platform_assets.features.online.feast_connection import FeastSettings
    from platform_assets.features.online.request_features import OnlineFeatures

    with _outages_as_unavailable((SQLAlchemyError,)):
        settings = FeastSettings.model_validate(feast)
        features = _Guarded(OnlineFeatures(use_case, settings))
    path = settings.sqlite_path
    return features if path is None else cast(FeatureLookup, OnFile(features, path))


def without_store(use_case: UseCase, feast: Mapping[str, Any]) -> FeatureLookup:
    """Online features that know nothing and remember nothing: for a self-test, whose rows carry their features.

    Nothing is opened, but what would open it is loaded.

    Raises:
        DriverMissing: the release lacks the driver of the database that the settings name.
    """
    from platform_assets.features.online.drivers import require_driver

    require_driver(_credentials_read(feast))
    return _NoStore(use_case)


def _credentials_read(feast: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of `FeastSettings`, with what stands in a folder of credentials.

    Raises:
        StoreUnavailable: the folder cannot be read.
    """
    from platform_assets.features.online.credentials import with_credentials
    from platform_assets.secret_sources.errors import SecretError

    try:
        return with_credentials(feast)
    except SecretError as error:
        raise StoreUnavailable(f"the credentials of the online store cannot be read: {error}") from error


@dataclass(frozen=True)
class _NoFeatures:
    values: Sequence[float]
    unknown_entities: Sequence[str]
    too_late_for: Sequence[str] = ()
    mark: Any = None


class _NoStore:
    def __init__(self, use_case: UseCase) -> None:
        names = tuple(entity.name for entity in use_case.entities)
        self._nothing = _NoFeatures([math.nan] * len(use_case.feature_names), names)

    def vector(self, event: Mapping[str, Any]) -> ModelInputs:
        return self._nothing

    def without_history(self, event: Mapping[str, Any]) -> ModelInputs:
        return self._nothing

    def announce(self, event: Mapping[str, Any], mark: Any = None) -> bool:
        return True

    def forget(self, event: Mapping[str, Any]) -> None:
        return None

    def record(self, event: Mapping[str, Any]) -> None:
        return None

    def record_all(self, events: Sequence[Mapping[str, Any]]) -> list[Exception | None]:
        return [None] * len(events)

    def warm_up(self) -> None:
        return None


class _Guarded:
    """Online features whose outages are `StoreUnavailable`, whatever client they come from."""

    def __init__(self, features: Any) -> None:
        self._features = features
        redis: Any = sys.modules.get("redis.exceptions")
        self._outages: tuple[type[Exception], ...] = () if redis is None else (redis.RedisError,)
        self._asked_again_at = 0.0

    def vector(self, event: Mapping[str, Any]) -> ModelInputs:
        """Features; after an outage nobody waits for the store again within a second, so that the others are answered.

        Damage concerns those alone whose state it is, and is found without waiting: it pauses nobody.
        """
        if time.monotonic() < self._asked_again_at:
            raise StoreUnavailable("it did not answer a moment ago and is asked again within a second")
        try:
            with _outages_as_unavailable(self._outages):
                return cast(ModelInputs, self._features.vector(event))
        except (StoreDamaged, StoreEmptied):
            raise  # it answers: nobody waits for it
        except StoreUnavailable:
            self._asked_again_at = time.monotonic() + PAUSE_SECONDS
            raise

    def without_history(self, event: Mapping[str, Any]) -> ModelInputs:
        return cast(ModelInputs, self._features.without_history(event))

    def announce(self, event: Mapping[str, Any], mark: Any = None) -> bool:
        try:
            with _outages_as_unavailable(self._outages):
                return cast(bool, self._features.announce(event, mark))
        except StoreUnavailable:
            if mark is not None:
                raise
            self._features.announce_here(event)
            return True

    def forget(self, event: Mapping[str, Any]) -> None:
        with suppress(StoreUnavailable), _outages_as_unavailable(self._outages):
            self._features.forget(event)

    def record(self, event: Mapping[str, Any]) -> None:
        with _outages_as_unavailable(self._outages):
            self._features.record(event)

    def record_all(self, events: Sequence[Mapping[str, Any]]) -> list[Exception | None]:
        with _outages_as_unavailable(self._outages):
            outcomes: list[Exception | None] = self._features.record_all(events)
        return [
            StoreDamaged(f"{type(error).__name__}: {error}") if error is not None and is_damage(error) else error
            for error in outcomes
        ]

    def warm_up(self) -> None:
        with _outages_as_unavailable(self._outages):
            self._features.warm_up()


class OnFile:
    """Online features in a file: what was opened has to be what lies there.

    A deleted file goes on answering whoever has it open, and takes events that nobody will find. So it counts as a store that does not
    answer; once another file lies there, the process ends itself, to be started again on that one.
    """

    def __init__(self, features: FeatureLookup, path: Path) -> None:
        """Take the file as it is now for the one that was opened."""
        self._features, self._path = features, path
        self._opened = self._identity()
        self._ending = False

    def __getattr__(self, name: str) -> Any:
        """Whatever needs no look at the file."""
        return getattr(self._features, name)

    def vector(self, event: Mapping[str, Any]) -> ModelInputs:
        """The model's inputs, from the file that was opened."""
        self._require_file()
        return self._features.vector(event)

    def record(self, event: Mapping[str, Any]) -> None:
        """Record into the file that was opened."""
        self._require_file()
        self._features.record(event)

    def record_all(self, events: Sequence[Mapping[str, Any]]) -> list[Exception | None]:
        """Record into the file that was opened."""
        self._require_file()
        return self._features.record_all(events)

    def _identity(self) -> tuple[int, int] | None:
        try:
            status = os.stat(self._path)
        except OSError:
            return None
        return (status.st_dev, status.st_ino)

    def _require_file(self) -> None:
        now = self._identity()
        if now == self._opened and now is not None:
            return
        if now is not None and not self._ending:
            self._ending = True
            os.kill(os.getpid(), signal.SIGTERM)
        happened = "deleted" if now is None else "replaced"
        raise StoreUnavailable(f"{self._path} was {happened} while it was open; `platform-assets run` fills it again")


@contextmanager
def _outages_as_unavailable(outages: tuple[type[Exception], ...]) -> Iterator[None]:
    caught: tuple[type[Exception], ...] = (sqlite3.Error, OSError, *outages)
    try:
        yield
    except StoreLost as error:
        raise StoreEmptied(str(error)) from error
    except (*caught, *decode_errors()) as error:
        if is_damage(error):
            raise StoreDamaged(f"{type(error).__name__}: {error}") from error
        raise StoreUnavailable(f"{type(error).__name__}: {error}") from error
