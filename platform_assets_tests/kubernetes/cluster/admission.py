"""What the test API asks of every pod on its way in, with and without a kubelet behind it.

Belongs here: its service account. Does not belong here: priority, quota, limit ranges (quota.py), addresses of services.
"""

from typing import Any

from platform_assets_tests.kubernetes.cluster.errors import forbidden
from platform_assets_tests.kubernetes.cluster.kinds import POD, SERVICE_ACCOUNT, Kind
from platform_assets_tests.kubernetes.cluster.store import ObjectStore


class ServiceAccountAdmission:
    """An admission hook of the store."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store

    def __call__(self, operation: str, kind: Kind, body: dict[str, Any]) -> dict[str, Any]:
        """Give a new pod its service account.

        Raises:
            ApiError: 403 where it names one that does not exist.
        """
        if kind[:3] != POD[:3] or operation != "CREATE":
            return body
        spec, metadata = body["spec"], body["metadata"]
        account = spec.setdefault("serviceAccountName", "default")
        spec["serviceAccount"] = account
        if not self.store.exists(SERVICE_ACCOUNT, metadata["namespace"], account):
            why = f'error looking up service account {metadata["namespace"]}/{account}: serviceaccount "{account}" not found'
            raise forbidden(POD, metadata["name"], why)
        return body
