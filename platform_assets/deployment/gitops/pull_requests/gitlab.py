"""A merge request on GitLab, hosted or one's own.

Belongs here: this kind. Does not belong here: another host's words.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from pydantic import Field

from platform_assets.deployment.gitops.pull_requests.base import (
    OpenedRequest,
    ProposedText,
    PullRequests,
    ask,
    token_of,
)
from platform_assets.deployment.gitops.repository import PushedBranch


class GitLabRequests(PullRequests):
    """Merge requests of one project on GitLab."""

    project: str = Field(min_length=1, description="Its number, or its path as `group/name`.")
    api: str = Field(default="https://gitlab.com/api/v4", pattern=r"^https?://")
    token_variable: str = Field(
        default="GITLAB_TOKEN", description="Variable with a token that may open merge requests."
    )

    def open(self, branch: PushedBranch, text: ProposedText, variables: Mapping[str, str]) -> OpenedRequest:
        """Open a merge request, or find the open one of the branch."""
        address = f"{self.api.rstrip('/')}/projects/{quote(self.project, safe='')}/merge_requests"
        headers = {"private-token": token_of(variables, self.token_variable)}
        query = {"source_branch": branch.name, "target_branch": branch.base, "state": "opened"}
        found = ask("GET", address, headers, branch=branch.name, query=query)
        if found:
            return OpenedRequest(found[0]["web_url"], found[0]["iid"], opened=False)
        body = {
            "source_branch": branch.name,
            "target_branch": branch.base,
            "title": text.title,
            "description": text.body,
            "remove_source_branch": True,
        }
        made = ask("POST", address, headers, branch=branch.name, body=body)
        return OpenedRequest(made["web_url"], made["iid"])
