"""Gate `secrets`: no line that a change adds holds a credential.

Belongs here: the forms of credentials that can be told by sight. Does not belong here: where credentials are kept, or a scan of everything
that is there already.

Forms are those that the issuers document. A value is never shown.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from platform_assets.pipelines.change.gates.base import ChangeFinding
from platform_assets.pipelines.change.sides import RepositoryChange

FORMS: Final[Mapping[str, re.Pattern[str]]] = {
    "private key": re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"),
    "AWS access key": re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "GitHub token": re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{50,})\b"),
    "GitLab token": re.compile(r"\bgl(?:pat|ptt|rt|dt|cbt)-[A-Za-z0-9_-]{20,}"),
    "Slack token": re.compile(r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
    "Google key": re.compile(r"\bAIza[0-9A-Za-z_-]{35}\b"),
    "JSON web token": re.compile(r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
    "Vault token": re.compile(r"\bhv[sbr]\.[A-Za-z0-9_-]{24,}"),
    "password in an address": re.compile(r"[a-z][a-z0-9+.-]*://[^\s:/@'\"{}$<]+:(?P<value>[^\s:/@'\"{}$<]{3,})@"),
    "password": re.compile(
        r"(?i)(?:passwd|password|secret|token|api_?key|access_?key)[a-z_]*[\"']?\s*[:=]\s*[\"']?(?P<value>[A-Za-z0-9+/_=.!@#%^&*~-]{8,})"
    ),
}
"""What a credential looks like; where a form has a `value`, that has to look drawn by chance, or stand in an address."""
_LEAST_BITS: Final = 3.0
_REFERENCE = re.compile(r"^(?:[A-Z][A-Z0-9_]*|[a-z_]+(?:[.(_][A-Za-z_]*)*|.*(?:example|placeholder|changeme).*)$")
_STARS = re.compile(r"^[*.x-]+$")


@dataclass(frozen=True)
class _Secrets:
    about: str = "no credential stands in a file"

    def judge(self, change: RepositoryChange) -> Iterator[ChangeFinding]:
        """Each added line that holds a credential."""
        for item in change.files:
            for line, text in item.added.items():
                kind = credential_in(text)
                if kind is not None:
                    yield ChangeFinding(
                        f"{item.path} {kind}",
                        item.path,
                        line,
                        f"{kind} in a file (not shown)",
                        "take it out of the history, have it replaced where it is valid, and name a variable or a secret source instead",
                    )


def credential_in(text: str) -> str | None:
    """What kind of credential a line holds; None for none."""
    for kind, form in FORMS.items():
        found = form.search(text)
        if found is None:
            continue
        value = found.groupdict().get("value")
        if value is None or (kind == "password in an address" and not _STARS.match(value)) or _looks_drawn(value):
            return kind
    return None


def _looks_drawn(value: str) -> bool:
    """Whether a value is no name, reference or placeholder: letters and digits mixed, and few of them twice."""
    if _REFERENCE.match(value) or not (re.search(r"\d", value) and re.search(r"[A-Za-z]", value)):
        return False
    shares = [count / len(value) for count in Counter(value).values()]
    return -sum(share * math.log2(share) for share in shares) >= _LEAST_BITS


SECRETS = _Secrets()
