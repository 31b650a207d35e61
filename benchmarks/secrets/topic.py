"""What callers notice while every credential of a service changes: the bar is nothing.

Belongs here: the table and its bars. Does not belong here: the rotations themselves (`rotations.py`).
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from benchmarks.common.report import Bar, Topic
from benchmarks.secrets.bystanders import BYSTANDERS
from benchmarks.secrets.callers import Callers
from benchmarks.secrets.rotations import ROTATIONS, NotTaken
from benchmarks.secrets.world import PROCESSES, rotated_service

TITLE = "Rotation of every credential under load"
RATE_PER_SECOND = 50.0
SETTLE_SECONDS = 3.0


def measure_secrets(rounds: int, log: Callable[[str], None]) -> Topic:
    """Rotate every credential of a service that answers 50 requests a second.

    Args:
        rounds: how often each.
        log: told of every rotation.

    Raises:
        DeploymentError: the service does not come up.
    """
    rows: list[list[str]] = []
    failed = sent = 0
    not_taken: list[str] = []
    with (
        tempfile.TemporaryDirectory(prefix="platform-assets-secrets-") as scratch,
        rotated_service(Path(scratch), log) as service,
    ):
        path = f"/v1/{service.use_case.name}/score"
        callers = Callers(service.port, path, service.folder / "authority.pem", service.tokens[0], RATE_PER_SECOND)
        with callers.under_way():
            time.sleep(SETTLE_SECONDS)
            for name, rotate in {**ROTATIONS, **BYSTANDERS}.items():
                before, seconds, how = Counter(callers.outcomes), 0.0, ""
                for _ in range(rounds):
                    began = time.monotonic()
                    try:
                        how = rotate(service, callers)
                    except NotTaken as error:
                        not_taken.append(f"{name}: {error}")
                        how = f"not taken: {error}"
                    seconds = max(seconds, time.monotonic() - began)
                    time.sleep(SETTLE_SECONDS)
                seen = callers.outcomes - before
                bad = {outcome: number for outcome, number in seen.items() if outcome != "200"}
                sent, failed = sent + seen.total(), failed + sum(bad.values())
                shown = ", ".join(f"{number} {outcome}" for outcome, number in sorted(bad.items())) or "0"
                rows.append([name, f"{seen.total():,}", shown, f"{seconds:.1f}", how])
                log(f"{name}: {shown} of {seen.total()} failed, {seconds:.1f} s; {how}")
    return Topic(
        TITLE,
        f"A service of {PROCESSES} processes behind the proxy, over TLS with a token, {RATE_PER_SECOND:.0f} requests a second of 50 cards, "
        "each fifth on a new connection. Online store on Redis with an ACL user, Feast's registry on PostgreSQL with a password; both "
        "stand in OpenBao (AppRole, KV version 2, read every second), from where `platform-assets secrets keep` writes them into the "
        f"folder that the service reads. Each credential is exchanged {rounds} time(s), the old one is taken away and connections are "
        "ended; the last rows are stores that a service holds no login of. Failed is whatever is not an answer 200 with the store's "
        "features. Seconds are the longest from the first step until the "
        "old credential counts nowhere.",
        ["credential", "requests", "failed", "seconds", "how it was taken over"],
        rows,
        [
            Bar("no request fails while a credential changes", f"{failed} of {sent:,}", failed == 0),
            Bar("every new credential is used, every old one refused", "; ".join(not_taken) or "yes", not not_taken),
        ],
    )
