"""What a kind of pull request is.

Belongs here: the Protocol, what is asked for and what is answered, and the HTTP that two kinds share. Does not belong here: any kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict

from platform_assets.deployment.gitops.errors import PullRequestRefused
from platform_assets.deployment.gitops.repository import PushedBranch

TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True)
class ProposedText:
    """What people read: a title, and the reasons in Markdown."""

    title: str
    body: str


@dataclass(frozen=True)
class OpenedRequest:
    """A request that waits for review.

    Attributes:
        address: where people find it; None where only a branch was pushed.
        number: as the host calls it; None without a request.
        opened: False when it was open already; it shows the new commit.
    """

    address: str | None
    number: int | None
    opened: bool = True


class PullRequests(BaseModel):
    """A kind of pull request, with its settings as fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    def open(self, branch: PushedBranch, text: ProposedText, variables: Mapping[str, str]) -> OpenedRequest:
        """Ask for the branch to be merged; once for each branch.

        Args:
            branch: what was pushed.
            text: what people read.
            variables: the environment, for the token that the settings name.

        Raises:
            PullRequestRefused: the host refused it, or did not answer; the branch is there.
        """
        raise NotImplementedError


def token_of(variables: Mapping[str, str], name: str) -> str:
    """The token in a variable.

    Raises:
        PullRequestRefused: it is not set.
    """
    token = variables.get(name, "")
    if not token:
        raise PullRequestRefused(
            f"the branch was pushed, but no request was opened: set {name} to a token that may open one"
        )
    return token


def ask(
    method: str, address: str, headers: Mapping[str, str], *, branch: str, body: Any = None, query: Any = None
) -> Any:
    """Ask the host.

    Args:
        method: of HTTP.
        address: of the API.
        headers: with the token.
        branch: for messages.
        body: JSON to send.
        query: parameters of the address.

    Returns:
        The answer's JSON.

    Raises:
        PullRequestRefused: it answered otherwise, or not at all.
    """
    import httpx

    where = f"the branch {branch} was pushed, but {address}"
    try:
        answer = httpx.request(method, address, headers=dict(headers), json=body, params=query, timeout=TIMEOUT_SECONDS)
    except httpx.HTTPError as error:
        raise PullRequestRefused(
            f"{where} did not answer: {error or type(error).__name__}. Open the request by hand"
        ) from error
    if not answer.is_success:
        said = " ".join(answer.text.split())[:300]
        raise PullRequestRefused(
            f"{where} refused the request with {answer.status_code}: {said}. Open it by hand, or mend the settings"
        )
    try:
        return answer.json()
    except ValueError as error:
        raise PullRequestRefused(f"{where} answered no JSON; is `api` the address of the API?") from error
