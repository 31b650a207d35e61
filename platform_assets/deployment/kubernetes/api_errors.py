"""What the API of a cluster answers when it refuses, as errors that say what to do.

Belongs here: one exception for each reason that callers tell apart, and which answer is which. Does not belong here: asking
(`client.py`), and why pods do not run (`diagnosis.py`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from platform_assets.deployment.errors import TargetUnavailable

_ACCOUNT = re.compile(r'User "([^"]+)" cannot (\S+) resource "([^"]+)" in API group "([^"]*)"')
_WEBHOOK = re.compile(r'admission webhook "([^"]+)" denied the request:? ?(.*)', re.DOTALL)
_MANAGER = re.compile(r'conflicts? with "([^"]+)"')


class ClusterRefused(TargetUnavailable):
    """The API did not do what it was asked for.

    Attributes:
        status: of HTTP; 0 where no answer came.
        wait_seconds: so long the API asks to wait before the next try.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status
        self.wait_seconds = 0.0

    @property
    def may_pass(self) -> bool:
        """Whether the same request may succeed a moment later."""
        return self.status in (0, 429) or self.status >= 500


class NotThere(ClusterRefused):
    """The object, or its kind, does not exist."""


class NotPermitted(ClusterRefused):
    """The account may not do this."""


class StaleObject(ClusterRefused):
    """Somebody else changed the object since it was read."""


class FieldsOwned(ClusterRefused):
    """Another field manager owns fields that were to be set."""


class RefusedByWebhook(ClusterRefused):
    """An admission webhook or a quota does not let the object in."""


class NamespaceEnds(ClusterRefused):
    """The namespace is being deleted."""


def translated(status: int, body: str, doing: str, headers: Mapping[str, str] | None = None) -> ClusterRefused:
    """The error for an answer.

    Args:
        status: of HTTP; 0 where no answer came.
        body: of the answer, a Status object where the API wrote it.
        doing: what was asked, such as `apply Deployment serving/churn-1`.
        headers: of the answer.
    """
    answer = _status_object(body)
    said = str(answer.get("message") or " ".join(body.split())[:300] or "no answer")
    reason = str(answer.get("reason", ""))
    found = _about_namespace_or_permission(status, answer, said, doing)
    if found is not None:
        return found
    webhook = _WEBHOOK.search(said)
    if webhook is not None:
        return RefusedByWebhook(
            f"cannot {doing}: the admission webhook {webhook[1]} refuses it: {webhook[2].strip() or 'it gives no reason'}. Change what it "
            f"objects to, or ask who runs it for an exception",
            status,
        )
    if status == 404:
        return NotThere(f"cannot {doing}: it does not exist ({said})", status)
    managers = _managers(answer, said)
    if status == 409 and managers:
        return FieldsOwned(
            f"cannot {doing}: {', '.join(managers)} manages fields of it too ({said}). One of the two has to let go: take the object "
            f"out of what {managers[0]} applies, or delete it and run the command again",
            status,
        )
    if status == 409:
        return StaleObject(f"cannot {doing}: {said}", status)
    wait = (headers or {}).get("Retry-After")
    again = f"; it asks to wait {wait} s" if wait else ""
    return ClusterRefused(f"cannot {doing}: the API answers {status or 'nothing'} {reason}: {said}{again}", status)


def _about_namespace_or_permission(
    status: int, answer: Mapping[str, Any], said: str, doing: str
) -> ClusterRefused | None:
    if status == 401:
        return NotPermitted(f"cannot {doing}: the API does not know who asks ({said}); renew the kubeconfig", status)
    if status not in (403, 404, 409):
        return None
    causes = answer.get("details", {}).get("causes") or [] if isinstance(answer.get("details"), dict) else []
    if any(cause.get("reason") == "NamespaceTerminating" for cause in causes) or "is being terminated" in said:
        return NamespaceEnds(
            f"cannot {doing}: the namespace is being deleted. Wait until it is gone, create it anew and deploy again; "
            "`kubectl get namespace NAME -o yaml` shows what its deletion waits for",
            status,
        )
    if status == 404 and re.search(r'namespaces? "[^"]+" not found', said):
        return NotThere(f"cannot {doing}: the namespace does not exist ({said}); create it first", status)
    if status != 403:
        return None
    if "exceeded quota" in said:
        return RefusedByWebhook(f"cannot {doing}: the namespace's quota does not allow it ({said})", status)
    account = _ACCOUNT.search(said)
    if account is None:
        return None if _WEBHOOK.search(said) else NotPermitted(f"cannot {doing}: {said}", status)
    user, verb, resource, group = account.groups()
    return NotPermitted(
        f"cannot {doing}: {user} may not {verb} {resource}. Add to a Role of the namespace, bound to that account: "
        f'{{apiGroups: ["{group}"], resources: ["{resource}"], verbs: ["{verb}"]}}',
        status,
    )


def _managers(answer: Mapping[str, Any], said: str) -> list[str]:
    details = answer.get("details") if isinstance(answer.get("details"), dict) else {}
    causes = (details or {}).get("causes") or []
    texts = [str(cause.get("message", "")) for cause in causes if cause.get("reason") == "FieldManagerConflict"]
    found = _MANAGER.findall(" ".join(texts) or said)
    return list(dict.fromkeys(found))


def _status_object(body: str) -> dict[str, Any]:
    try:
        parsed = json.loads(body)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}
