"""Probes: is a container started, ready, alive?

Belongs here: asking, and counting answers against the thresholds. Does not belong here: what follows from it (`containers.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import aiohttp

from platform_assets_tests.kubernetes.cluster.objects import Object

QUICK_SECONDS = 0.1
"""Until its first success a startup or readiness probe is asked this often too; only tries at the declared period count as failures."""


@dataclass(frozen=True)
class Answer:
    """What one try gave."""

    passed: bool
    words: str = ""


Ask = Callable[[Object], Awaitable[Answer]]


class Probe:
    """One probe of a running container."""

    def __init__(self, spec: Object, ask: Ask) -> None:
        self.spec = spec
        self._ask = ask
        self.period = float(spec.get("periodSeconds") or 10)
        self.failure_threshold = int(spec.get("failureThreshold") or 3)
        self._success_threshold = int(spec.get("successThreshold") or 1)
        self._passes = self._failures = 0

    async def watch(self, quick: bool, changed: Callable[[bool], None], failed: Callable[[str], None]) -> None:
        """Ask for ever.

        Args:
            quick: ask often until the first success.
            changed: called with True when the success threshold is reached, with False when the failure threshold is.
            failed: called with the words of each failure that counts.
        """
        await asyncio.sleep(float(self.spec.get("initialDelaySeconds") or 0))
        loop = asyncio.get_running_loop()
        due = loop.time() + (self.period if quick else 0.0)
        while True:
            counts = loop.time() >= due
            answer = await self.ask_once()
            if answer.passed:
                quick = False
                self._passes, self._failures = self._passes + 1, 0
                if self._passes == self._success_threshold:
                    changed(True)
            elif counts:
                self._passes, self._failures = 0, self._failures + 1
                failed(answer.words)
                if self._failures == self.failure_threshold:
                    changed(False)
            if counts:
                due = loop.time() + self.period
            wait = max(0.0, due - loop.time())
            await asyncio.sleep(min(wait, QUICK_SECONDS) if quick else wait)

    async def ask_once(self) -> Answer:
        timeout = float(self.spec.get("timeoutSeconds") or 1)
        try:
            return await asyncio.wait_for(self._ask(self.spec), timeout)
        except TimeoutError:
            return Answer(False, "context deadline exceeded")


def port_number(port: int | str, container: Object) -> int:
    """A port by its number or by its name in the container.

    Raises:
        ValueError: it has no such name.
    """
    if isinstance(port, int) or str(port).isdigit():
        return int(port)
    for one in container.get("ports") or []:
        if one.get("name") == port:
            return int(one["containerPort"])
    raise ValueError(f"couldn't find port: {port}")


async def ask_http(session: aiohttp.ClientSession, spec: Object, address: str, container: Object) -> Answer:
    """GET: a status from 200 to 399 passes."""
    scheme = spec.get("scheme", "HTTP").lower()
    host = spec.get("host") or address
    url = f"{scheme}://{host}:{port_number(spec['port'], container)}{spec.get('path', '/')}"
    headers = {"User-Agent": "kube-probe/1.34", "Accept": "*/*", "Connection": "close"}
    headers |= {one["name"]: one["value"] for one in spec.get("httpHeaders") or []}
    try:
        async with session.get(url, headers=headers, ssl=False, allow_redirects=False) as answer:
            await answer.read()
            if 200 <= answer.status < 400:
                return Answer(True)
            return Answer(False, f"HTTP probe failed with statuscode: {answer.status}")
    except (aiohttp.ClientError, OSError) as error:
        refused = re.sub(r"Cannot connect to host.*", f"dial tcp {host}: connect: connection refused", str(error))
        return Answer(False, f'Get "{url}": {refused}')


async def ask_tcp(spec: Object, address: str, container: Object) -> Answer:
    """A connection that is taken passes."""
    host, port = spec.get("host") or address, port_number(spec["port"], container)
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return Answer(False, f"dial tcp {host}:{port}: connect: connection refused")
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return Answer(True)
