"""What the API answers when it refuses, as sentences that say what to do."""

import json
from typing import Any

import pytest

from platform_assets.deployment.kubernetes.api_errors import (
    ClusterRefused,
    FieldsOwned,
    NamespaceEnds,
    NotPermitted,
    NotThere,
    RefusedByWebhook,
    StaleObject,
    translated,
)

DOING = "apply Deployment serving/churn-1"


def status(message: str, reason: str = "", **details: Any) -> str:
    return json.dumps({"kind": "Status", "message": message, "reason": reason, "details": details})


@pytest.mark.parametrize(
    ("code", "body", "kind", "said"),
    [
        (
            403,
            status(
                'deployments.apps is forbidden: User "system:serviceaccount:ml:daemon" cannot patch resource "deployments" in API group '
                '"apps" in the namespace "serving"',
                "Forbidden",
            ),
            NotPermitted,
            'system:serviceaccount:ml:daemon may not patch deployments.*apiGroups: ["apps"], resources: ["deployments"], verbs: ["patch"]',
        ),
        (
            409,
            status(
                'Apply failed with 1 conflict: conflict with "argocd-controller" using apps/v1: .spec.replicas',
                "Conflict",
                causes=[{"reason": "FieldManagerConflict", "message": 'conflict with "argocd-controller" using apps/v1'}],
            ),
            FieldsOwned,
            "argocd-controller manages fields of it too",
        ),
        (
            409,
            status("the object has been modified; please apply your changes to the latest version", "Conflict"),
            StaleObject,
            "modified",
        ),
        (
            403,
            status(
                'object is forbidden: unable to create new content in namespace serving because it is being terminated',
                "Forbidden",
                causes=[{"reason": "NamespaceTerminating"}],
            ),
            NamespaceEnds,
            "the namespace is being deleted. Wait until it is gone",
        ),
        (404, status('namespaces "serving" not found', "NotFound"), NotThere, "the namespace does not exist"),
        (
            400,
            status('admission webhook "policy.example.com" denied the request: images come from our registry'),
            RefusedByWebhook,
            "the admission webhook policy.example.com refuses it: images come from our registry",
        ),
        (
            403,
            status('pods "x" is forbidden: exceeded quota: team, requested: cpu=4, used: cpu=8, limited: cpu=8', "Forbidden"),
            RefusedByWebhook,
            "quota does not allow it",
        ),
        (401, status("Unauthorized", "Unauthorized"), NotPermitted, "renew the kubeconfig"),
        (503, "upstream connect error", ClusterRefused, "503 .*upstream connect error"),
    ],
)  # fmt: skip
def test_each_refusal_says_what_was_asked_and_what_to_do(
    code: int, body: str, kind: type[ClusterRefused], said: str
) -> None:
    error = translated(code, body, DOING)
    assert type(error) is kind
    assert DOING in str(error)
    for part in said.split(".*"):
        assert part in str(error)


def test_only_a_bad_day_is_worth_another_try() -> None:
    assert [translated(code, "", DOING).may_pass for code in (0, 429, 500, 503, 403, 404, 409, 422)] == [True] * 4 + [
        False
    ] * 4
