"""Where services are built, logged and answered.

Belongs here: folders and port of the target. Does not belong here: starting anything (`local/`).
"""

from dataclasses import dataclass
from pathlib import Path

from platform_assets.deployment.local import LocalTarget


@dataclass(frozen=True)
class ServingHome:
    """Where services are built, logged and answered."""

    home: str
    port: int

    def target(self) -> LocalTarget:
        """Service processes on this machine behind one address."""
        return LocalTarget(Path(self.home) / "serving", self.port, port_setting="PLATFORM_ASSETS_PORT")

    def bento_root(self) -> Path:
        """Where Bentos are built."""
        return Path(self.home) / "bentos"

    def log_folder(self, use_case: str) -> Path:
        """Where services write their predictions."""
        return Path(self.home) / "prediction_log" / use_case

    def report_folder(self, use_case: str) -> Path:
        """Where reports for people are written."""
        folder = Path(self.home) / "reports" / use_case
        folder.mkdir(parents=True, exist_ok=True)
        return folder
