"""Where people find things: names of reports, addresses of Dagster and MLflow.

Belongs here: names and addresses. Does not belong here: writing what stands there.
"""

from datetime import date

DAGSTER = "http://127.0.0.1:3000"
"""Where `make dev` has it."""


def card_name(version: str) -> str:
    """Name of a version's card in the folder of reports."""
    return f"model-card-{version}.html"


def drift_report_name(day: date) -> str:
    """Name of the report on the window that ends with a day, in the folder of reports."""
    return f"drift-{day}.html"


def without_user(address: str) -> str:
    """An address without the name and password that may stand in it."""
    scheme, _, rest = address.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"
