"""The test API alone, without controllers and pods, in a thread of the test: it starts in half a second.

Belongs here: starting and stopping it. Does not belong here: the whole test cluster (cluster/handle.py).
"""

import asyncio
import contextlib
import json
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from platform_assets_tests.kubernetes.cluster.api import make_api
from platform_assets_tests.kubernetes.cluster.server import kubeconfig, serve, serve_tls


class TestApi(NamedTuple):
    """A running API."""

    __test__ = False

    address: str
    kubeconfig: Path
    """Of the administrator, over TLS."""
    certificate: str
    secure_address: str

    def plant(self, *faults: dict[str, Any]) -> dict[str, Any]:
        """Plant faults, and return what is planted."""
        return self._ask("POST", list(faults))

    def clear(self) -> None:
        """Take all faults back."""
        self._ask("DELETE", None)

    def _ask(self, method: str, body: Any) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{self.address}/-/faults",
            json.dumps(body).encode(),
            {"content-type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    def client(self, token: str = "") -> Any:
        """The official client, as the administrator or with a token."""
        from kubernetes import config

        settings = yaml.safe_load(self.kubeconfig.read_text())
        if token:
            settings["users"][0]["user"] = {"token": token}
        return config.new_client_from_config_dict(settings)


@contextlib.contextmanager
def running_api(folder: Path, *, rbac: bool = False) -> Iterator[TestApi]:
    """Start the API, and stop it at the end.

    Args:
        folder: for its kubeconfig.
        rbac: hold tokens to roles.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="test-api", daemon=True)
    thread.start()

    async def start() -> Any:
        api = make_api(rbac=rbac)
        runner, address = await serve(api)
        return runner, address, await serve_tls(api, runner)

    runner, address, (secure, certificate) = asyncio.run_coroutine_threadsafe(start(), loop).result(30)
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(kubeconfig(secure, certificate=certificate)))
    try:
        yield TestApi(address, path, certificate, secure)
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
