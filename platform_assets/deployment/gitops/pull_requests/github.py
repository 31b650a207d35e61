"""A pull request on GitHub, or on a server of GitHub Enterprise.

Belongs here: this kind. Does not belong here: another host's words.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from platform_assets.deployment.gitops.pull_requests.base import (
    OpenedRequest,
    ProposedText,
    PullRequests,
    ask,
    token_of,
)
from platform_assets.deployment.gitops.repository import PushedBranch


class GitHubRequests(PullRequests):
    """Pull requests of one repository on GitHub."""

    repository: str = Field(pattern=r"^[\w.-]+/[\w.-]+$", description="As `owner/name`.")
    api: str = Field(default="https://api.github.com", pattern=r"^https?://")
    token_variable: str = Field(
        default="GITHUB_TOKEN", description="Variable with a token that may open pull requests."
    )

    def open(self, branch: PushedBranch, text: ProposedText, variables: Mapping[str, str]) -> OpenedRequest:
        """Open a pull request, or find the open one of the branch."""
        address = f"{self.api.rstrip('/')}/repos/{self.repository}/pulls"
        headers = {
            "authorization": f"Bearer {token_of(variables, self.token_variable)}",
            "accept": "application/vnd.github+json",
            "x-github-api-version": "2022-11-28",
        }
        owner = self.repository.partition("/")[0]
        query = {"head": f"{owner}:{branch.name}", "base": branch.base, "state": "open"}
        found = ask("GET", address, headers, branch=branch.name, query=query)
        if found:
            return OpenedRequest(found[0]["html_url"], found[0]["number"], opened=False)
        body = {"title": text.title, "body": text.body, "head": branch.name, "base": branch.base}
        made = ask("POST", address, headers, branch=branch.name, body=body)
        return OpenedRequest(made["html_url"], made["number"])
