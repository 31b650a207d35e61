"""Where services are built, logged and answered.

Belongs here: an installation's folders for services, and the target that it chose. Does not belong here: starting anything (a target's
work).
"""

import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from platform_assets.declaration.sections.rollout import RolloutStage
from platform_assets.deployment.callers import CallerAccess
from platform_assets.deployment.kubernetes.settings import ClusterSettings
from platform_assets.deployment.registry import KUBERNETES, TARGETS
from platform_assets.deployment.target import Target

LogFormat = Literal["text", "json"]
"""How processes write their messages: text, or an object of JSON a line."""


@dataclass(frozen=True)
class ServingHome:
    """Where services are built, logged and answered.

    Attributes:
        home: the installation's folder.
        port: of the address that services answer on.
        kind: name of the target, see `registry.py`.
        callers: whether callers are checked, and how; None leaves it as it was last put in force.
        rollout: stages in which new versions take over here, instead of those that are declared; empty for the declared ones.
        cluster: what a target on a cluster needs to know; None where no setting says so.
        otlp: base address of an OTLP receiver that services send their spans to; None for none.
        log_format: of services' own messages.
        log_copy: folder on another disk or machine that takes every line of the prediction log as well; None for none.
    """

    home: str
    port: int
    kind: str = "local"
    callers: CallerAccess | None = field(default=None, repr=False)
    rollout: tuple[RolloutStage, ...] = ()
    cluster: ClusterSettings | None = None
    otlp: str | None = None
    log_format: LogFormat = "text"
    log_copy: Path | None = None

    def target(self) -> Target:
        """The target that services are deployed on.

        Raises:
            UnknownMember: there is no target of that name.
        """
        given = {"callers": self.callers, "cluster": self.cluster}
        options = {name: value for name, value in given.items() if value is not None}
        return TARGETS[self.kind](Path(self.home), self.port, **options)

    @property
    def name(self) -> str:
        """What tells this place from other machines' and other homes': machine and folder."""
        return f"{socket.gethostname()}:{self.home}"

    def bento_root(self) -> Path:
        """Where Bentos are built."""
        return Path(self.home) / "bentos"

    def log_folder(self, use_case: str) -> Path:
        """Where services write their predictions, and readers of the log find them."""
        if self.kind == KUBERNETES and self.cluster is not None:
            return Path(self.cluster.log_folder) / use_case
        return Path(self.home) / "prediction_log" / use_case

    def log_copy_folder(self, use_case: str) -> Path | None:
        """Where services write every prediction a second time; None where they do not, and on a cluster, which has its own volumes."""
        return None if self.log_copy is None or self.kind == KUBERNETES else self.log_copy / use_case

    def rollout_history(self, use_case: str) -> Path:
        """The file that remembers each look at a rollout, one a line."""
        return Path(self.home) / "rollout_history" / f"{use_case}.jsonl"

    def rollout_pieces(self, use_case: str) -> Path:
        """The folder that keeps what looks at a rollout have parsed of the prediction log."""
        return Path(self.home) / "rollout_history" / f"{use_case}.parsed"

    def page_folder(self) -> Path:
        """Where the pages of use cases are written."""
        return Path(self.home) / "pages"

    def report_folder(self, use_case: str) -> Path:
        """Where reports for people are written."""
        folder = Path(self.home) / "reports" / use_case
        folder.mkdir(parents=True, exist_ok=True)
        return folder
