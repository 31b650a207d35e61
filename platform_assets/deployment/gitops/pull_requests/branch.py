"""A branch and nothing else: people open the request where their host offers it, or merge by hand.

Belongs here: this kind. Does not belong here: pushing (`git_repository.py`).
"""

from __future__ import annotations

from collections.abc import Mapping

from platform_assets.deployment.gitops.pull_requests.base import OpenedRequest, ProposedText, PullRequests
from platform_assets.deployment.gitops.repository import PushedBranch


class BranchOnly(PullRequests):
    """Only the branch."""

    def open(self, branch: PushedBranch, text: ProposedText, variables: Mapping[str, str]) -> OpenedRequest:
        """Nothing further is asked for."""
        return OpenedRequest(None, None, opened=False)
