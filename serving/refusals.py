"""Refusals: what a caller is told whose request was not scored.

Belongs here: their model, the error that carries one, and which statuses there are. Does not belong here: what is refused (`bodies.py`,
`request.py`, `event_times.py`), or answering (`app.py`).
"""

from __future__ import annotations

from pydantic import BaseModel, Field

MAX_PROBLEMS = 20
"""So many problems are listed; the others are counted."""

STATUSES = {
    400: "Not JSON.",
    409: "Events of this use case are scored from a topic.",
    413: "Too large.",
    415: "Not sent as JSON.",
    422: "A field is wrong, or the event is too old, too early or of an entity that is refused.",
    503: "What is declared for answers that cannot be trusted is in force.",
    499: "The caller went away before the request was complete; nothing was scored.",
}
"""With which a request is refused because of the request itself."""


class Problem(BaseModel):
    """One thing that is wrong with a request."""

    field: str = Field(description="Field of the request; empty when it is the request as a whole.")
    reason: str = Field(description="What is wrong with it.")


class Refusal(BaseModel):
    """Answer to a request that was not scored."""

    error: str = Field(description="What went wrong, in one sentence.")
    problems: list[Problem] = Field(default=[], description="The fields that are wrong, the first ones of many.")
    request_id: str = Field(description="The request's id: `x-request-id` if it was given.")


class RequestRefused(ValueError):
    """A request that cannot be scored, with the HTTP status and its problems."""

    def __init__(self, status: int, error: str, problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(error)
        self.status = status
        self.problems = problems


def unusable(*problems: Problem, count: int | None = None, more: bool = False) -> RequestRefused:
    """The refusal of a request whose fields are wrong.

    Args:
        problems: what is wrong; only the first `MAX_PROBLEMS` are listed.
        count: how many problems there are; default: as many as are given.
        more: whether there are more than were counted.
    """
    number = len(problems) if count is None else count
    shown = problems[:MAX_PROBLEMS]
    text = f"the request is not usable: {'at least ' if more else ''}{number} problem(s)"
    if number > len(shown) or more:
        text += f", of which the first {len(shown)} are listed"
    return RequestRefused(422, text, shown)
