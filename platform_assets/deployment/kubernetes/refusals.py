"""What the API says when it refuses to make a pod, as a cause.

Belongs here: telling quotas, webhooks and missing rights apart by their words. Does not belong here: pods that were made
(`pod_deaths.py`).
"""

from __future__ import annotations

import re

from platform_assets.deployment.causes import Cause, CauseKind, made_of
from platform_assets.deployment.kubernetes.quantities import quantity

_EXCEEDED = re.compile(
    r"exceeded quota: (?P<quota>\S+?), requested: (?P<requested>\S+), used: (?P<used>\S+), limited: (?P<limited>[^\s\"]+)"
)
_UNSPECIFIED = re.compile(r"failed quota: (?P<quota>\S+?): must specify (?P<fields>[^\"]+)")
_RANGE = re.compile(r"(maximum|minimum) \S+ (usage|limit to request ratio)[^\"]*")
_DENIED = re.compile(r"admission webhook \\?\"(?P<name>[^\"\\]+)\\?\" denied the request(?P<said>[^\n]*)")
_FAILING = re.compile(r"failed calling (?:admission )?webhook \\?\"(?P<name>[^\"\\]+)\\?\"(?P<said>[^\n]*)")
_POLICY = re.compile(r"ValidatingAdmissionPolicy '(?P<name>[^']+)'[^\n]*? denied request(?P<said>[^\n]*)")


def refused_creation(words: str, subject: str = "a pod") -> Cause | None:
    """The cause in the API's words when it refuses to make something; None when they are of something else.

    Args:
        words: the whole message.
        subject: what was to be made.
    """
    return _by_webhook(words, subject) or _by_quota(words, subject) or _by_rights(words, subject)


def _by_webhook(words: str, subject: str) -> Cause | None:
    denied = _DENIED.search(words) or _POLICY.search(words)
    if denied is not None:
        said = denied["said"].strip(" :")
        return made_of(
            CauseKind.WEBHOOK,
            f"the admission webhook or policy {denied['name']} refuses {subject}: {said}",
            "Change what it objects to, or have whoever runs it make an exception.",
            final=True,
        )
    failing = _FAILING.search(words)
    if failing is not None:
        return made_of(
            CauseKind.WEBHOOK,
            f"the webhook {failing['name']} that has to admit {subject} does not answer{failing['said']}",
            "Bring it back, or have its failurePolicy changed.",
            final=False,
        )
    return None


def _by_quota(words: str, subject: str) -> Cause | None:
    exceeded = _EXCEEDED.search(words)
    if exceeded is not None:
        limited, requested = _amounts(exceeded["limited"]), _amounts(exceeded["requested"])
        alone = [name for name, amount in requested.items() if amount > limited.get(name, float("inf"))]
        never = f", and {', '.join(alone)} of it alone is more than the quota allows" if alone else ""
        return made_of(
            CauseKind.QUOTA,
            f"the quota {exceeded['quota']} has no room for {subject}: it wants {exceeded['requested']}, {exceeded['used']} is in use, "
            f"{exceeded['limited']} is allowed{never}",
            "Declare less under `compute`, or have the ResourceQuota raised."
            if alone
            else "Stop something in the namespace, declare less under `compute`, or have the ResourceQuota raised.",
            final=bool(alone),
        )
    unspecified = _UNSPECIFIED.search(words)
    if unspecified is not None:
        return made_of(
            CauseKind.QUOTA,
            f"the quota {unspecified['quota']} wants {unspecified['fields']} of {subject}, which says nothing of it",
            "Have a LimitRange give the default, or have the ResourceQuota changed.",
            final=True,
        )
    outside = _RANGE.search(words)
    if outside is not None and "forbidden" in words:
        return made_of(
            CauseKind.QUOTA,
            f"the namespace's LimitRange refuses {subject}: {outside[0]}",
            "Declare sizes within it under `compute`, or have it changed.",
            final=True,
        )
    return None


def _by_rights(words: str, subject: str) -> Cause | None:
    if "because it is being terminated" in words:
        return made_of(
            CauseKind.FORBIDDEN,
            f"{subject} cannot be made: the namespace is being deleted",
            "Wait until it is gone and made anew, or name another namespace in PLATFORM_ASSETS_KUBERNETES.",
            final=True,
        )
    if "forbidden" not in words.lower() and "unauthorized" not in words.lower():
        return None
    if "violates PodSecurity" in words:
        said = words[words.index("violates PodSecurity") :].split("\n")[0]
        todo = (
            "hostPath needs the level privileged: leave node_cache_folder out, or have the namespace's label changed."
        )
        return made_of(CauseKind.FORBIDDEN, f"the namespace does not admit {subject}: it {said}", todo, final=True)
    missing = re.search(r"serviceaccount \\?\"([^\"\\]+)\\?\" not found", words)
    if missing is not None:
        return made_of(
            CauseKind.FORBIDDEN,
            f"{subject} is to run as the service account {missing[1]}, which does not exist",
            "Make it, or correct the settings.",
            final=False,
        )
    return made_of(
        CauseKind.FORBIDDEN,
        f"the API refuses {subject}: {words.strip().splitlines()[0]}",
        "Have the right given to the account that is named; `deploy/README.md` lists what is needed.",
        final=True,
    )


def _amounts(text: str) -> dict[str, float]:
    """Amounts as a quota's message lists them: `requests.cpu=2,pods=1`."""
    pairs = (entry.partition("=") for entry in text.rstrip(".").split(","))
    return {name: amount for name, _, value in pairs if (amount := quantity(value)) is not None}
