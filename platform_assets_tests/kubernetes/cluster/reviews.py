"""Reviews: may this caller do that, and who is this caller.

Belongs here: SubjectAccessReview and its kin, SelfSubjectReview, TokenReview. Does not belong here: the rules (access.py).
"""

from typing import Any

from platform_assets_tests.kubernetes.cluster.access import Access, Question, User
from platform_assets_tests.kubernetes.cluster.errors import ApiError
from platform_assets_tests.kubernetes.cluster.requests import Target

Body = dict[str, Any]


def review(access: Access, user: User, target: Target, body: Body) -> Body:
    """The object with its answer in `status`.

    Raises:
        ApiError: 404 for a kind of review that there is not.
    """
    name, spec = target.kind[3], body.get("spec") or {}
    if name in ("SubjectAccessReview", "LocalSubjectAccessReview"):
        asked = User(spec.get("user", ""), (*spec.get("groups", []), "system:authenticated"))
        status = _allowed(access, asked, spec)
    elif name == "SelfSubjectAccessReview":
        status = _allowed(access, user, spec)
    elif name == "SelfSubjectRulesReview":
        rules = access.rules_of(user, spec.get("namespace", ""))
        status = {
            "resourceRules": [rule for rule in rules if "resources" in rule],
            "nonResourceRules": [rule for rule in rules if "nonResourceURLs" in rule],
            "incomplete": False,
        }
    elif name == "SelfSubjectReview":
        status = {"userInfo": {"username": user.name, "groups": list(user.groups)}}
    elif name == "TokenReview":
        status = _token(access, spec.get("token", ""))
    else:
        raise ApiError(404, "NotFound", f"the test cluster answers no {name}")
    return {**body, "apiVersion": target.kind.api_version, "kind": name, "status": status}


def _allowed(access: Access, user: User, spec: Body) -> Body:
    attributes = spec.get("resourceAttributes")
    if attributes is not None:
        resource = attributes.get("resource", "")
        if attributes.get("subresource"):
            resource += f"/{attributes['subresource']}"
        question = Question(
            attributes.get("verb", ""),
            attributes.get("group", ""),
            resource,
            attributes.get("namespace", ""),
            attributes.get("name", ""),
        )
    else:
        wanted = spec.get("nonResourceAttributes") or {}
        question = Question(wanted.get("verb", ""), path=wanted.get("path", "/"))
    allowed = not access.enforced or access.allows(user, question)
    return {"allowed": allowed} if allowed else {"allowed": False, "reason": f"no role of {user.name} allows it"}


def _token(access: Access, token: str) -> Body:
    try:
        user = access.user_of(f"Bearer {token}")
    except ApiError:
        return {"authenticated": False, "error": "invalid bearer token"}
    return {"authenticated": True, "user": {"username": user.name, "groups": list(user.groups)}}
