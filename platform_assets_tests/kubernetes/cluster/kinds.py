"""Which kinds the test API serves, and what is special about each.

Belongs here: the list of built-in kinds with their short names, categories and subresources, and the registry that
definitions of custom resources add to.
Does not belong here: their schemas (schemas.py), their objects (store.py).
"""

from dataclasses import dataclass, field
from typing import NamedTuple


class Kind(NamedTuple):
    """One kind in one version."""

    group: str
    version: str
    plural: str
    name: str
    namespaced: bool

    @property
    def api_version(self) -> str:
        """As objects write it: `apps/v1`, `v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def resource(self) -> str:
        """As messages write it: `deployments.apps`, `pods`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


@dataclass(frozen=True)
class Traits:
    """What is special about a kind, the same in each of its versions."""

    short: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    singular: str = ""
    verbs: tuple[str, ...] = (
        "create",
        "delete",
        "deletecollection",
        "get",
        "list",
        "patch",
        "update",
        "watch",
    )


ALL, STATUS, SCALE = ("all",), ("status",), ("scale", "status")
ASK = ("create",)
POD_SUBRESOURCES = ("binding", "ephemeralcontainers", "eviction", "log", "proxy", "resize", "status")
BUILT_IN: tuple[tuple[str, str, str, str, bool, Traits], ...] = (
    ("", "v1", "pods", "Pod", True, Traits(("po",), ALL, POD_SUBRESOURCES)),
    ("", "v1", "services", "Service", True, Traits(("svc",), ALL, ("proxy", "status"))),
    ("", "v1", "replicationcontrollers", "ReplicationController", True, Traits(("rc",), ALL, SCALE)),
    ("", "v1", "configmaps", "ConfigMap", True, Traits(("cm",))),
    ("", "v1", "secrets", "Secret", True, Traits()),
    ("", "v1", "serviceaccounts", "ServiceAccount", True, Traits(("sa",), (), ("token",))),
    ("", "v1", "endpoints", "Endpoints", True, Traits(("ep",), singular="endpoints")),
    ("", "v1", "events", "Event", True, Traits(("ev",))),
    ("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", True, Traits(("pvc",), (), STATUS)),
    ("", "v1", "resourcequotas", "ResourceQuota", True, Traits(("quota",), (), STATUS)),
    ("", "v1", "limitranges", "LimitRange", True, Traits(("limits",))),
    ("", "v1", "podtemplates", "PodTemplate", True, Traits()),
    ("", "v1", "namespaces", "Namespace", False, Traits(("ns",), (), ("finalize", "status"))),
    ("", "v1", "nodes", "Node", False, Traits(("no",), (), ("proxy", "status"))),
    ("", "v1", "persistentvolumes", "PersistentVolume", False, Traits(("pv",), (), STATUS)),
    ("apps", "v1", "deployments", "Deployment", True, Traits(("deploy",), ALL, SCALE)),
    ("apps", "v1", "replicasets", "ReplicaSet", True, Traits(("rs",), ALL, SCALE)),
    ("apps", "v1", "statefulsets", "StatefulSet", True, Traits(("sts",), ALL, SCALE)),
    ("apps", "v1", "daemonsets", "DaemonSet", True, Traits(("ds",), ALL, STATUS)),
    ("apps", "v1", "controllerrevisions", "ControllerRevision", True, Traits()),
    ("batch", "v1", "jobs", "Job", True, Traits((), ALL, STATUS)),
    ("batch", "v1", "cronjobs", "CronJob", True, Traits(("cj",), ALL, STATUS)),
    ("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", True, Traits(("hpa",), ALL, STATUS)),
    ("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", True, Traits(("pdb",), (), STATUS)),
    ("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", True, Traits(("netpol",))),
    ("networking.k8s.io", "v1", "ingresses", "Ingress", True, Traits(("ing",), (), STATUS)),
    ("networking.k8s.io", "v1", "ingressclasses", "IngressClass", False, Traits()),
    ("rbac.authorization.k8s.io", "v1", "roles", "Role", True, Traits()),
    ("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding", True, Traits()),
    ("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", False, Traits()),
    ("rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding", False, Traits()),
    ("coordination.k8s.io", "v1", "leases", "Lease", True, Traits()),
    ("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", True, Traits()),
    ("events.k8s.io", "v1", "events", "Event", True, Traits(("ev",))),
    ("scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", False, Traits(("pc",))),
    ("storage.k8s.io", "v1", "storageclasses", "StorageClass", False, Traits(("sc",))),
    ("storage.k8s.io", "v1", "csidrivers", "CSIDriver", False, Traits()),
    (
        "apiextensions.k8s.io",
        "v1",
        "customresourcedefinitions",
        "CustomResourceDefinition",
        False,
        Traits(("crd", "crds"), ("api-extensions",), STATUS),
    ),
    (
        "admissionregistration.k8s.io",
        "v1",
        "validatingwebhookconfigurations",
        "ValidatingWebhookConfiguration",
        False,
        Traits(),
    ),
    (
        "admissionregistration.k8s.io",
        "v1",
        "mutatingwebhookconfigurations",
        "MutatingWebhookConfiguration",
        False,
        Traits(),
    ),
    ("authentication.k8s.io", "v1", "tokenreviews", "TokenReview", False, Traits(verbs=ASK)),
    ("authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview", False, Traits(verbs=ASK)),
    ("authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview", False, Traits(verbs=ASK)),
    ("authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", False, Traits(verbs=ASK)),
    ("authorization.k8s.io", "v1", "selfsubjectrulesreviews", "SelfSubjectRulesReview", False, Traits(verbs=ASK)),
    ("authorization.k8s.io", "v1", "localsubjectaccessreviews", "LocalSubjectAccessReview", True, Traits(verbs=ASK)),
)

POD = Kind("", "v1", "pods", "Pod", True)
SERVICE = Kind("", "v1", "services", "Service", True)
SERVICE_ACCOUNT = Kind("", "v1", "serviceaccounts", "ServiceAccount", True)
CONFIG_MAP = Kind("", "v1", "configmaps", "ConfigMap", True)
SECRET = Kind("", "v1", "secrets", "Secret", True)
EVENT = Kind("", "v1", "events", "Event", True)
NAMESPACE = Kind("", "v1", "namespaces", "Namespace", False)
NODE = Kind("", "v1", "nodes", "Node", False)
DEPLOYMENT = Kind("apps", "v1", "deployments", "Deployment", True)
CUSTOM_RESOURCE = Kind("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", False)


@dataclass
class Kinds:
    """The kinds that are served; a definition of a custom resource adds to it."""

    by_path: dict[tuple[str, str, str], Kind] = field(default_factory=dict)
    """(group, version, plural)"""
    traits: dict[tuple[str, str], Traits] = field(default_factory=dict)
    """(group, plural)"""
    stored: dict[tuple[str, str], Kind] = field(default_factory=dict)
    """The version in which objects are kept, for (group, plural)."""

    @classmethod
    def built_in(cls) -> "Kinds":
        """Those that come with the server."""
        kinds = cls()
        for *fields, traits in BUILT_IN:
            kinds.add(Kind(*fields), traits)  # type: ignore[arg-type]
        return kinds

    def add(self, kind: Kind, traits: Traits, *, storage: bool = True) -> None:
        """Serve one more kind, or one more version of a kind."""
        self.by_path[kind.group, kind.version, kind.plural] = kind
        self.traits[kind.group, kind.plural] = traits
        if storage:
            self.stored[kind.group, kind.plural] = kind

    def remove(self, group: str, plural: str) -> None:
        """Serve this resource no longer, in no version."""
        self.by_path = {path: kind for path, kind in self.by_path.items() if (path[0], path[2]) != (group, plural)}
        self.traits.pop((group, plural), None)
        self.stored.pop((group, plural), None)

    def find(self, group: str, version: str, plural: str) -> Kind | None:
        """The kind that is served at this path."""
        return self.by_path.get((group, version, plural))

    def named(self, api_version: str, name: str) -> Kind | None:
        """The kind that an object names by `apiVersion` and `kind`."""
        return next(
            (kind for kind in self.by_path.values() if kind[3] == name and kind.api_version == api_version), None
        )

    def traits_of(self, kind: Kind) -> Traits:
        """What is special about this kind."""
        return self.traits.get((kind.group, kind.plural), Traits())

    def has(self, kind: Kind, subresource: str) -> bool:
        """Whether the kind has this subresource."""
        return subresource in self.traits_of(kind).subresources
