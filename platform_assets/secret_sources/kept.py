"""What was read of a source, kept for a while and read again when it gets old, its lease nears its end, or somebody was refused with it.

Belongs here: when to read again, and what holds while the source does not answer. Does not belong here: any one source.

While a source cannot be read the kept values go on to count: an outage of Vault shall not stop what runs with a password that still works.
They count no longer than their lease.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from platform_assets.secret_sources.base import SecretBundle, SecretSource
from platform_assets.secret_sources.errors import SecretError, SecretsExpired

logger = logging.getLogger(__name__)

RENEW_AT_SHARE = 2 / 3
"""The part of a lease after which it is read again."""
AGAIN_AFTER_SECONDS = 1.0
"""Whoever was refused asks for newer values no oftener than this."""
AGAIN_AFTER_FAILURE_SECONDS = 5.0


@dataclass(frozen=True)
class _Reading:
    bundle: SecretBundle
    read_at: float

    def ends_at(self) -> float | None:
        valid = self.bundle.valid_seconds
        return None if valid is None else self.read_at + valid


class KeptSecrets:
    """The secrets of a source, for many threads.

    Attributes:
        source: where they are read.
    """

    def __init__(
        self, source: SecretSource, refresh_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Take the source; nothing is read."""
        self.source = source
        self._refresh_seconds = refresh_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._reading: _Reading | None = None
        self._failed_at: float | None = None
        self._renewed_at: float | None = None

    def __reduce__(self) -> tuple[type, tuple[SecretSource, float]]:
        """In another process they are read anew."""
        return type(self), (self.source, self._refresh_seconds)

    def values(self) -> Mapping[str, str]:
        """The secrets, no older than is allowed.

        Raises:
            SecretError: none were ever had, or the lease of those that were has ended and the source gives no newer ones.
        """
        return self.bundle().values

    def bundle(self, oldest_seconds: float | None = None) -> SecretBundle:
        """The secrets with their version.

        Args:
            oldest_seconds: how old they may be, in place of what the setting says.

        Raises:
            SecretError: see `values`.
        """
        with self._lock:
            reading, now = self._reading, self._clock()
            if reading is not None and now < self._due_at(reading, oldest_seconds):
                return reading.bundle
            return self._read_again(reading, now).bundle

    def renewed(self) -> Mapping[str, str]:
        """The secrets, read now: for whoever was refused with those that were kept; of many who were, one reads for all.

        Raises:
            SecretError: see `values`.
        """
        with self._lock:
            now = self._clock()
            if (
                self._reading is not None
                and self._renewed_at is not None
                and now < self._renewed_at + AGAIN_AFTER_SECONDS
            ):
                return self._reading.bundle.values
            self._renewed_at = now
            return self._read_again(self._reading, now).bundle.values

    @property
    def seen(self) -> Mapping[str, str]:
        """What was read last, without asking the source; empty before the first read."""
        reading = self._reading
        return {} if reading is None else reading.bundle.values

    def _due_at(self, reading: _Reading, oldest_seconds: float | None) -> float:
        due = reading.read_at + (self._refresh_seconds if oldest_seconds is None else oldest_seconds)
        if reading.bundle.valid_seconds is not None:
            due = min(due, reading.read_at + reading.bundle.valid_seconds * RENEW_AT_SHARE)
        if self._failed_at is not None:
            due = max(due, self._failed_at + AGAIN_AFTER_FAILURE_SECONDS)
            ends = reading.ends_at()
            due = due if ends is None else min(due, ends)
        return due

    def _read_again(self, reading: _Reading | None, now: float) -> _Reading:
        try:
            bundle = self.source.read()
        except SecretError as error:
            if reading is None:
                raise
            ends = reading.ends_at()
            if ends is not None and now >= ends:
                raise SecretsExpired(
                    f"what was read from {self.source.place} has expired, and it gives nothing newer: {error}"
                ) from error
            self._failed_at = now
            logger.warning(
                "secrets are not read again, those read %.0f s ago go on to count: %s", now - reading.read_at, error
            )
            return reading
        if reading is not None and bundle.version != reading.bundle.version:
            logger.info("secrets of %s changed to version %s", self.source.place, bundle.version)
        self._reading, self._failed_at = _Reading(bundle, now), None
        return self._reading
