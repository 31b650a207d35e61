"""How the platform itself asks its services: by a private socket where the target has one, else at the address.

Belongs here: the client. Does not belong here: what is asked (`pipelines/`, `cli/`).

The socket is a file that only its owner opens, so nothing has to be shown there: no token of the platform's own lies about, and exchanged
tokens or certificates never lock it out. What is behind it, routes, weights and limits of size included, is what callers reach.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx


def own_client(address: str, socket: str | None, timeout_seconds: float) -> httpx.Client:
    """A client whose paths are below an address.

    Args:
        address: base URL, of the target or of a use case.
        socket: file of the target's private socket; None, or a file that is not there, asks at the address.
        timeout_seconds: of each request.
    """
    import httpx

    if socket is None or not Path(socket).is_socket():
        return httpx.Client(base_url=address, trust_env=False, timeout=timeout_seconds)
    url = httpx.URL(address)
    plain = url.copy_with(scheme="http")
    transport = httpx.HTTPTransport(uds=socket, verify=False)  # reading certificates takes 50 ms
    return httpx.Client(base_url=plain, transport=transport, trust_env=False, timeout=timeout_seconds)
