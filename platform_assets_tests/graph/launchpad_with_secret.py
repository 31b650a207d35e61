"""A code location that does what ours must not: a resource whose configuration holds a password, which the launchpad then shows."""

import dagster as dg

PLANTED = "planted-where-everybody-reads-it"


class Store(dg.ConfigurableResource[None]):
    """A resource with its password as a default."""

    password: str = PLANTED


@dg.asset
def rows(store: Store) -> None:
    """Anything that needs it."""


defs = dg.Definitions([rows], jobs=[dg.define_asset_job("load", [rows])], resources={"store": Store()})
