"""One rotation for each credential: what a person or a job does, and how long until the old one counts nowhere.

Belongs here: the steps. Does not belong here: the service (`world.py`), or what its callers saw meanwhile (`topic.py`).

Every credential that can overlap is rotated in the order of docs/operations/secrets.md: the new one is let in, stored, read by whoever uses
it, and then the old one is taken away and its connections are ended, so that nobody lives on a connection from before.
"""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Callable

import sqlalchemy as sa

from benchmarks.secrets.callers import Callers
from benchmarks.secrets.world import USER, RotatedService, new_password
from platform_assets.features.online.credentials import ONLINE_STORE, REGISTRY

LONGEST_SECONDS = 30.0


class NotTaken(RuntimeError):
    """A rotation did not come to its end: the new credential is not used, or the old one still is."""


def _until(what: str, holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONGEST_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise NotTaken(f"{what} not within {LONGEST_SECONDS:.0f} s")
        time.sleep(0.05)


def _delivered(service: RotatedService, name: str) -> None:
    _until(
        f"{name} reached the service's folder", lambda: (service.credentials / name).read_text() == service.stored[name]
    )


def caller_token(service: RotatedService, callers: Callers) -> str:
    """A caller's token: both count for a while, the caller changes, the old one is refused."""
    old, new = service.tokens[0], new_password()
    service.tokens = [new, old]
    service.target().ensure_running()
    callers.token = new
    time.sleep(1)
    service.tokens = [new]
    service.target().ensure_running()
    _until("the old token refused", lambda: _status(service, callers, old) == 401)
    return "`callers apply` twice; the old one gets 401"


def certificate(service: RotatedService, callers: Callers) -> str:
    """The address's certificate and key, replaced in their files."""
    before = set(callers.certificates)
    service.make_certificate()
    service.target().ensure_running()
    _until("callers see the new certificate", lambda: bool(set(callers.certificates) - before))
    return "`callers apply`; new connections show the new one"


def store_password(service: RotatedService, callers: Callers) -> str:
    """The online store's password: two hold in Redis for a while; then the old one goes and every connection is ended."""
    old, new = _password(service, ONLINE_STORE), new_password()
    service.administer("ACL", "SETUSER", USER, f">{new}")
    service.store(**{ONLINE_STORE: service.online_store(new)})
    _delivered(service, ONLINE_STORE)
    service.administer("ACL", "SETUSER", USER, f"<{old}")
    _end_connections(service)
    _until("the service connected again", lambda: _connections(service, USER) > 0)
    return "read at the next connection; all connections were ended"


def store_user(service: RotatedService, callers: Callers) -> str:
    """Another user of the online store in place of the one before, who is deleted with all connections."""
    user, password = f"{USER}_{new_password()[:6]}", new_password()
    service.administer("ACL", "SETUSER", user, "on", f">{password}", "~*", "&*", "+@all")
    service.store(**{ONLINE_STORE: service.online_store(password, user)})
    _delivered(service, ONLINE_STORE)
    service.administer("ACL", "DELUSER", USER)
    _until("the service came as the new user", lambda: _connections(service, user) > 0)
    service.administer("ACL", "SETUSER", USER, "on", f">{password}", "~*", "&*", "+@all")
    service.store(**{ONLINE_STORE: service.online_store(password)})
    _delivered(service, ONLINE_STORE)
    service.administer("ACL", "DELUSER", user)
    _until("the service came as the user before", lambda: _connections(service, USER) > 0)
    return "read at the next connection; the old user was deleted"


def registry_password(service: RotatedService, callers: Callers) -> str:
    """The password of Feast's registry: PostgreSQL holds one; connections are ended."""
    new = new_password()
    service.postgresql.execute(f"ALTER ROLE {USER} PASSWORD '{new}'")
    service.store(**{REGISTRY: service.registry_address(new)})
    _delivered(service, REGISTRY)
    service.postgresql.cut()
    return "read at the next connection; all connections were ended"


def database_of_a_long_process(service: RotatedService, callers: Callers) -> str:
    """A database's password under a process that lives on with an engine from before, as MLflow's client and Feast's registry have."""
    service.kept.bundle(0.0)
    engine = sa.create_engine(service.stored[REGISTRY], poolclass=sa.NullPool)
    asked = 0
    try:
        for number in range(3):
            new = new_password()
            service.postgresql.execute(f"ALTER ROLE {USER} PASSWORD '{new}'")
            service.store(**{REGISTRY: service.registry_address(new)})
            for _ in range(20):
                with engine.connect() as connection:
                    asked += int(connection.scalar(sa.text("SELECT 1")) or 0)
            _delivered(service, REGISTRY)
            if number < 2:
                time.sleep(1.1)
    finally:
        engine.dispose()
    if asked != 60:
        raise NotTaken(f"{asked} of 60 queries were answered")
    return "60 of 60 queries of an old engine answered, each on a new connection, right after the change"


def vault_login(service: RotatedService, callers: Callers) -> str:
    """The secret id that the platform signs in with, and every token had by the one before."""
    role = service.vault.client.auth.approle
    old = (service.vault.folder / "platform.secret_id").read_text()
    service.vault.role("platform", "platform")
    role.destroy_secret_id(role_name="platform", secret_id=old)
    for accessor in service.vault.client.list("auth/token/accessors")["data"]["keys"]:
        about = service.vault.client.auth.token.lookup_accessor(accessor)["data"]
        if "platform" in about["policies"]:
            service.vault.client.auth.token.revoke_accessor(accessor)
    service.store(PROOF=new_password())
    _until(
        "this process read a secret by the new login",
        lambda: service.kept.values().get("PROOF") == service.stored["PROOF"],
    )
    return "read at the next login; all tokens were revoked"


def sealed(service: RotatedService, callers: Callers) -> str:
    """Vault sealed for five seconds, connections of the service ended meanwhile."""
    service.vault.seal()
    try:
        _end_connections(service)
        time.sleep(5)
        _until("the service connected again", lambda: _connections(service, USER) > 0)
    finally:
        service.vault.unseal()
    return "what was read goes on to count"


def restart(service: RotatedService, callers: Callers) -> str:
    """A redeployment after all of it: what a service starts with is what its folder holds."""
    service.deploy()
    return "a new version starts with every present credential"


def nothing(service: RotatedService, callers: Callers) -> str:
    """What is not answered while nothing changes is no rotation's fault."""
    time.sleep(5)
    return "for comparison"


ROTATIONS: dict[str, Callable[[RotatedService, Callers], str]] = {
    "nothing": nothing,
    "token of a caller": caller_token,
    "certificate and key of the address": certificate,
    "password of the online store (Redis)": store_password,
    "user of the online store (Redis)": store_user,
    "password of Feast's registry (PostgreSQL)": registry_password,
    "password under a long-lived engine (PostgreSQL)": database_of_a_long_process,
    "login to Vault (AppRole's secret id)": vault_login,
    "Vault sealed for five seconds": sealed,
    "a start with all of them": restart,
}


def _password(service: RotatedService, name: str) -> str:
    text = json.loads(service.stored[name])["connection_string"]
    return str(text.rpartition("password=")[2])


def _end_connections(service: RotatedService) -> None:
    for line in str(service.administer("CLIENT", "LIST").decode()).splitlines():
        fields = dict(part.partition("=")[::2] for part in line.split())
        if fields["user"] != "default":
            service.administer("CLIENT", "KILL", "ID", fields["id"])


def _connections(service: RotatedService, user: str) -> int:
    return str(service.administer("CLIENT", "LIST").decode()).count(f" user={user} ")


def _status(service: RotatedService, callers: Callers, token: str) -> int:
    trusted = ssl.create_default_context(cafile=str(callers.authority))
    trusted.check_hostname = False
    connection = http.client.HTTPSConnection("127.0.0.1", service.port, timeout=10, context=trusted)
    connection.request("POST", callers.path, b"{}", {"authorization": f"Bearer {token}"})
    return connection.getresponse().status
