"""The object store's endpoint and keys in the words of MLflow's client.

Belongs here: which variable each key of `object_store` goes by. Does not belong here: setting a variable (`settings.py`).
"""

from __future__ import annotations

from collections.abc import Mapping

_LENT = {
    "access_key_id": "AWS_ACCESS_KEY_ID",
    "secret_access_key": "AWS_SECRET_ACCESS_KEY",
    "session_token": "AWS_SESSION_TOKEN",
    "region": "AWS_DEFAULT_REGION",
    "default_region": "AWS_DEFAULT_REGION",
    "endpoint_url": "MLFLOW_S3_ENDPOINT_URL",
    "endpoint": "MLFLOW_S3_ENDPOINT_URL",
}
"""Keys of `object_store`, without `AWS_` and in small letters, and the variables that MLflow's client reads them from."""


def artifact_variables(object_store: Mapping[str, str]) -> dict[str, str]:
    """The variables by which MLflow's client reaches the store; none where nothing is said of it."""
    found: dict[str, str] = {}
    for key, text in object_store.items():
        variable = _LENT.get(key.lower().removeprefix("aws_"))
        if variable is not None:
            found.setdefault(variable, text)
    if object_store:
        # With the pauses of the standard mode more than a minute.
        found |= {"AWS_RETRY_MODE": "standard", "AWS_MAX_ATTEMPTS": "10"}
    return found
