"""Which repository holds the releases of an installation, and how a promotion is proposed.

Belongs here: the fields of the setting `PLATFORM_ASSETS_GITOPS`. Does not belong here: reading the environment (`settings.py` of the
package), or any kind of pull request (`pull_requests/`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from platform_assets.deployment.gitops.pull_requests.base import PullRequests
from platform_assets.deployment.gitops.pull_requests.registry import PULL_REQUESTS

_AUTHOR = re.compile(r"\s*(?P<name>[^<>]+?)\s*<(?P<email>[^<>\s]+)>\s*")


class GitOpsSettings(BaseModel):
    """Everything that `PLATFORM_ASSETS_GITOPS` says, as JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    repository: str = Field(min_length=1, repr=False, description="A folder, or any address that git takes.")
    branch: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,199}$")] = Field(
        default="main", description="The branch that deploys; it has to exist before anything is proposed."
    )
    path: Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)*)?$")] = Field(
        default="", description="Folder in the repository above `environments/`; none at its root."
    )
    author: str = Field(
        default="Platform Assets <platform-assets@localhost>", description="Of commits, as `Name <mail@example>`."
    )
    pull_requests: Mapping[str, Any] = Field(
        default={"kind": "branch"},
        validate_default=True,
        description="`branch` pushes a branch; `github` and `gitlab` open a request as well.",
    )
    timeout_seconds: float = Field(default=60.0, gt=0, le=600, description="Of one git command.")

    @field_validator("author")
    @classmethod
    def _an_author(cls, text: str) -> str:
        if not _AUTHOR.fullmatch(text):
            raise ValueError("write it as `Name <mail@example>`")
        return text

    @field_validator("pull_requests")
    @classmethod
    def _a_kind(cls, values: Mapping[str, Any]) -> Mapping[str, Any]:
        PULL_REQUESTS[str(values.get("kind", ""))].model_validate(_fields(values))
        return values

    @property
    def named_author(self) -> tuple[str, str]:
        """Name and mail address of commits."""
        match = _AUTHOR.fullmatch(self.author)
        assert match is not None, "checked when the settings were read"
        return match["name"], match["email"]

    @property
    def requests(self) -> PullRequests:
        """How a promotion is proposed: a member of `PULL_REQUESTS`."""
        return PULL_REQUESTS[self.pull_requests["kind"]].model_validate(_fields(self.pull_requests))


def _fields(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != "kind"}
