"""Who calls, and what roles allow.

Belongs here: tokens of service accounts, Roles, ClusterRoles and their bindings. Does not belong here: reading requests.
A caller without a token is `kubernetes-admin` and may do all: the test cluster listens on loopback only.
"""

import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from platform_assets_tests.kubernetes.cluster.errors import ApiError
from platform_assets_tests.kubernetes.cluster.kinds import SERVICE_ACCOUNT, Kind
from platform_assets_tests.kubernetes.cluster.store import ObjectStore

GROUP = "rbac.authorization.k8s.io"
ROLE = Kind(GROUP, "v1", "roles", "Role", True)
CLUSTER_ROLE = Kind(GROUP, "v1", "clusterroles", "ClusterRole", False)
ROLE_BINDING = Kind(GROUP, "v1", "rolebindings", "RoleBinding", True)
CLUSTER_ROLE_BINDING = Kind(GROUP, "v1", "clusterrolebindings", "ClusterRoleBinding", False)
EVERYTHING = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
VIEW_VERBS, EDIT_VERBS = ["get", "list", "watch"], ["*"]
BUILT_IN_ROLES: dict[str, list[dict[str, Any]]] = {
    "cluster-admin": [EVERYTHING, {"nonResourceURLs": ["*"], "verbs": ["*"]}],
    "admin": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}],
    "edit": [{"apiGroups": ["", "apps", "batch", "autoscaling", "policy"], "resources": ["*"], "verbs": EDIT_VERBS}],
    "view": [{"apiGroups": ["", "apps", "batch", "autoscaling", "policy"], "resources": ["*"], "verbs": VIEW_VERBS}],
}
ADMIN_TOKEN = "test-cluster-admin"
"""The administrator's own: kubectl asks for a name over TLS where it has no token."""
OPEN_PATHS = ("/api", "/apis", "/openapi", "/version", "/healthz", "/livez", "/readyz")


@dataclass(frozen=True)
class User:
    """Who calls."""

    name: str = "kubernetes-admin"
    groups: tuple[str, ...] = ("system:masters", "system:authenticated")
    extra: dict[str, list[str]] = field(default_factory=dict, compare=False)

    @property
    def unlimited(self) -> bool:
        """Whether no role limits this caller."""
        return "system:masters" in self.groups


@dataclass(frozen=True)
class Question:
    """What a caller wants to do."""

    verb: str
    group: str = ""
    resource: str = ""
    """`pods`, or `pods/log`."""
    namespace: str = ""
    name: str = ""
    path: str = ""
    """For what is no resource."""


class Access:
    """Tokens and roles."""

    def __init__(self, store: ObjectStore, *, enforced: bool) -> None:
        self.store, self.enforced = store, enforced
        self._tokens: dict[str, tuple[str, str, float]] = {}

    def issue(self, namespace: str, account: str, seconds: float = 3600) -> str:
        """A token for a service account.

        Raises:
            ApiError: 404 for an account that does not exist.
        """
        self.store.read(SERVICE_ACCOUNT, namespace, account)
        token = f"test-cluster.{secrets.token_urlsafe(24)}"
        self._tokens[token] = (namespace, account, time.monotonic() + seconds)
        return token

    def user_of(self, authorization: str) -> User:
        """Who sends this `Authorization` header.

        Raises:
            ApiError: 401 for a token that is not known, or no longer.
        """
        scheme, _, token = authorization.partition(" ")
        if not token or scheme.lower() != "bearer" or token == ADMIN_TOKEN:
            return User()
        namespace, account, until = self._tokens.get(token.strip(), ("", "", 0.0))
        if until < time.monotonic() or not self.store.exists(SERVICE_ACCOUNT, namespace, account):
            raise ApiError(401, "Unauthorized", "Unauthorized")
        return self.named(f"system:serviceaccount:{namespace}:{account}")

    def named(self, name: str, groups: tuple[str, ...] = ()) -> User:
        """A caller by name, such as `system:serviceaccount:NAMESPACE:ACCOUNT`, with the groups that come with it."""
        parts = name.split(":")
        if parts[:2] == ["system", "serviceaccount"] and len(parts) == 4:
            groups = (*groups, "system:serviceaccounts", f"system:serviceaccounts:{parts[2]}")
        return User(name, (*groups, "system:authenticated"))

    def rules_of(self, user: User, namespace: str) -> list[dict[str, Any]]:
        """Every rule that holds for this caller in a namespace; of the whole cluster where none is named."""
        if user.unlimited:
            return BUILT_IN_ROLES["cluster-admin"]
        rules: list[dict[str, Any]] = []
        for binding in self.store.items(CLUSTER_ROLE_BINDING):
            if _binds(binding, user, ""):
                rules += self._role(binding["roleRef"], "")
        for binding in self.store.items(ROLE_BINDING, namespace) if namespace else []:
            if _binds(binding, user, namespace):
                rules += self._role(binding["roleRef"], namespace)
        return rules

    def allows(self, user: User, question: Question) -> bool:
        """Whether roles allow it, enforced or not."""
        if question.path:
            return user.unlimited or question.path.startswith(OPEN_PATHS)
        if question.group in ("authorization.k8s.io", "authentication.k8s.io") and question.verb == "create":
            return question.resource.startswith("self") or user.unlimited or self._granted(user, question)
        return self._granted(user, question)

    def check(self, user: User, question: Question) -> None:
        """Refuse what roles do not allow, where they are enforced.

        Raises:
            ApiError: 403, in the words of an API server.
        """
        if not self.enforced or self.allows(user, question):
            return
        told = f'User "{user.name}" cannot {question.verb} '
        if question.path:
            raise ApiError(403, "Forbidden", f'forbidden: {told}path "{question.path}"')
        told += f'resource "{question.resource}" in API group "{question.group}"'
        told += f' in the namespace "{question.namespace}"' if question.namespace else " at the cluster scope"
        resource = question.resource.partition("/")[0]
        shown = f"{resource}.{question.group}" if question.group else resource
        shown += f' "{question.name}"' if question.name else ""
        details = {"name": question.name, "group": question.group, "kind": resource}
        raise ApiError(403, "Forbidden", f"{shown} is forbidden: {told}", {k: v for k, v in details.items() if v})

    def _granted(self, user: User, question: Question) -> bool:
        return any(_permits(rule, question) for rule in self.rules_of(user, question.namespace))

    def _role(self, reference: dict[str, Any], namespace: str) -> list[dict[str, Any]]:
        name = reference["name"]
        kind = CLUSTER_ROLE if reference["kind"] == "ClusterRole" else ROLE
        if self.store.exists(kind, namespace or None, name):
            return list(self.store.read(kind, namespace or None, name).get("rules") or [])
        return BUILT_IN_ROLES.get(name, []) if kind == CLUSTER_ROLE else []


def _binds(binding: dict[str, Any], user: User, namespace: str) -> bool:
    for subject in binding.get("subjects") or []:
        name = subject["name"]
        if subject["kind"] == "ServiceAccount":
            name = f"system:serviceaccount:{subject.get('namespace') or namespace}:{name}"
        if name == user.name if subject["kind"] != "Group" else name in user.groups:
            return True
    return False


def _permits(rule: dict[str, Any], question: Question) -> bool:
    def covers(field: str, value: str) -> bool:
        return "*" in rule.get(field, []) or value in rule.get(field, [])

    resource, _, subresource = question.resource.partition("/")
    resources = [question.resource, *([f"*/{subresource}", f"{resource}/*"] if subresource else [])]
    return (
        covers("verbs", question.verb)
        and covers("apiGroups", question.group)
        and any(covers("resources", item) for item in resources)
        and (not rule.get("resourceNames") or question.name in rule["resourceNames"])
    )
