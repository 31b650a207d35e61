"""Gate `requests`: callers that were built before the change are served as before.

Belongs here: naming the use case's request and answer. Does not belong here: comparing two protos (`deployment/proto_changes.py`).

The fields of the JSON request and of the typed one are the same, so that what breaks the one breaks the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from platform_assets.deployment.proto_changes import breaking_changes
from platform_assets.pipelines.change.gates.base import ChangeFinding
from platform_assets.pipelines.change.sides import RepositoryChange


@dataclass(frozen=True)
class _Requests:
    about: str = "requests that callers send today are answered tomorrow"

    def judge(self, change: RepositoryChange) -> Iterator[ChangeFinding]:
        """What of each request and answer breaks callers."""
        for name in change.kept_use_cases:
            before, after = change.before.use_cases[name]["proto"], change.after.use_cases[name]["proto"]
            place = change.after.file(name), change.after.line(name, ("serving", "request"))
            if before is not None and after is None:
                yield ChangeFinding(
                    f"{name} serving.mode", *place, "requests are answered no more", "agree with the callers first"
                )
            elif before is not None:
                for text in breaking_changes(before, after):
                    yield ChangeFinding(
                        f"{name} request {_named(text)}", *place, text, "take it back, or agree with the callers"
                    )


def _named(text: str) -> str:
    """What of the request a sentence is about: `ScoreRequest.amount`."""
    words = text.split()
    return words[1] if words[0] in ("service", "method", "message") else words[0]


REQUESTS = _Requests()
