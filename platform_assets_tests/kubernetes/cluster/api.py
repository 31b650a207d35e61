"""The API without controllers and pods: a store with schemas, defaults, rules, ownership, garbage collection and custom resources.

Belongs here: putting these together. Does not belong here: controllers and the kubelet, which subscribe to the store.
"""

from typing import NamedTuple

from platform_assets_tests.kubernetes.cluster.access import Access
from platform_assets_tests.kubernetes.cluster.admission import ServiceAccountAdmission
from platform_assets_tests.kubernetes.cluster.custom import CustomResources
from platform_assets_tests.kubernetes.cluster.defaults import Defaults
from platform_assets_tests.kubernetes.cluster.fields import Ownership
from platform_assets_tests.kubernetes.cluster.garbage import GarbageCollector
from platform_assets_tests.kubernetes.cluster.kinds import NAMESPACE
from platform_assets_tests.kubernetes.cluster.rules import Rules
from platform_assets_tests.kubernetes.cluster.schemas import Schemas
from platform_assets_tests.kubernetes.cluster.store import ObjectStore

NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")


class Api(NamedTuple):
    """The parts that the HTTP server needs."""

    store: ObjectStore
    schemas: Schemas
    custom: CustomResources
    garbage: GarbageCollector
    access: Access


def make_api(*, rbac: bool = False) -> Api:
    """An empty cluster with the namespaces and custom resource definitions that it starts with.

    Args:
        rbac: hold callers with a service account's token to roles; other callers may do all.
    """
    store, schemas = ObjectStore(), Schemas()
    store.prepare.append(Defaults(schemas))
    store.admission.append(ServiceAccountAdmission(store))
    store.check.append(Rules(schemas))
    store.track = Ownership(schemas)
    garbage = GarbageCollector(store)
    custom = CustomResources(store, schemas)
    custom.install()
    for name in NAMESPACES:
        store.create(NAMESPACE, None, {"metadata": {"name": name}}, manager="kube-apiserver")
    return Api(store, schemas, custom, garbage, Access(store, enforced=rbac))
