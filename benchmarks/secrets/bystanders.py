"""Stores of an installation that no request asks: Dagster's database, the object store, brokers.

Belongs here: rotating or taking them away under load, and looking where a service's processes are connected to. Does not belong here:
credentials that services hold (`rotations.py`).

A credential that a request does not need cannot fail one. That is shown in two ways: the store is away for a while, which is more than any
rotation of its keys does, and no process of the service has a connection to it.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import psutil

from benchmarks.secrets.callers import Callers
from benchmarks.secrets.rotations import NotTaken
from benchmarks.secrets.world import RotatedService, new_password
from platform_assets.testing.servers import kafka, s3

AWAY_SECONDS = 5.0


def dagster_database(service: RotatedService, callers: Callers) -> str:
    """Dagster's storage of runs under two users that take turns; the first one's login ends with all connections."""
    from dagster_postgres import PostgresRunStorage
    from dagster_postgres.utils import DagsterPostgresException

    ending = new_password()[:6]
    users = {name: new_password() for name in (f"dagster_a{ending}", f"dagster_b{ending}")}
    (old, old_password), (new, password) = users.items()
    # Not Feast's database: an engine logs in as the secret says that is an address of its database.
    database = f"dagster_{ending}"
    service.postgresql.create(database)
    service.postgresql.execute(
        f"CREATE ROLE {old} LOGIN PASSWORD '{old_password}'; ALTER DATABASE {database} OWNER TO {old}; "
        f"CREATE ROLE {new} LOGIN PASSWORD '{password}' IN ROLE {old}"
    )
    address = f"postgresql://{{}}:{{}}@127.0.0.1:{service.postgresql.port}/{database}"
    before = PostgresRunStorage(address.format(old, old_password), should_autocreate_tables=True)
    runs = before.get_runs_count()
    after = PostgresRunStorage(address.format(new, password), should_autocreate_tables=False)
    service.postgresql.execute(f"ALTER ROLE {old} NOLOGIN")
    service.postgresql.cut()
    if after.get_runs_count() != runs:
        raise NotTaken("the second user sees other runs")
    with suppress(DagsterPostgresException):  # it tries for some seconds
        before.get_runs_count()
        raise NotTaken("the first user still signs in")
    return "two users took turns; the first one is refused, all connections were ended"


def object_store_and_brokers(service: RotatedService, callers: Callers) -> str:
    """An object store and brokers that are there, are used, and go away."""
    with s3() as store, kafka() as brokers:
        store.bucket("lake")
        store.put("lake", "table/part-0", b"rows")
        brokers.produce("payments", "{}")
        ports = {int(place.rpartition(":")[2]) for place in (store.endpoint, *brokers.brokers.split(","))}
        reached = ports_reached_from(service.folder)
        if not reached:
            raise NotTaken("no process of the service was found")
        if reached & ports:
            raise NotTaken(f"a process of the service is connected to {sorted(reached & ports)}")
    time.sleep(AWAY_SECONDS)
    if ports_reached_from(service.folder) & ports:
        raise NotTaken("a process of the service looks for what is away")
    return f"no process of the service is connected to either; both away for {AWAY_SECONDS:.0f} s"


def ports_reached_from(folder: Path) -> set[int]:
    """Ports that processes with a file of this folder among their arguments, or working below it, are connected to."""
    found = set()
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            words = (*process.cmdline(), process.cwd())
            if any(str(folder) in word for word in words):
                found |= {one.raddr.port for one in process.net_connections("tcp") if one.raddr}
    return found


BYSTANDERS = {
    "Dagster's own database (PostgreSQL)": dagster_database,
    "object store and brokers (SASL, keys)": object_store_and_brokers,
}
