"""The kinds of pull request.

Belongs here: the list. Does not belong here: any kind.
"""

from platform_assets.deployment.gitops.pull_requests.base import PullRequests
from platform_assets.members import MemberRegistry

_ROOM = "platform_assets.deployment.gitops.pull_requests"
PULL_REQUESTS: MemberRegistry[type[PullRequests]] = MemberRegistry(
    "kind of pull request",
    {
        "branch": f"{_ROOM}.branch:BranchOnly",
        "github": f"{_ROOM}.github:GitHubRequests",
        "gitlab": f"{_ROOM}.gitlab:GitLabRequests",
    },
)
