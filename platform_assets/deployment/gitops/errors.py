"""What can go wrong with the GitOps repository.

Belongs here: exceptions only. Does not belong here: what raises them.
"""

from platform_assets.deployment.errors import DeploymentError


class GitOpsError(DeploymentError):
    """Base of every error about the GitOps repository; the message says what to do next."""


class GitFailed(GitOpsError):
    """Git could not do what was asked; the message carries its own words, without passwords."""


class ReleaseChanged(GitOpsError):
    """The file was changed by somebody else since it was read: look again and decide anew."""


class PullRequestRefused(GitOpsError):
    """A pull request could not be opened; the branch was pushed."""
