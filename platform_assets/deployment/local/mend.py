"""`python -m platform_assets.deployment.local.mend ROOT PORT SETTING`: bring a target back whose process manager was killed.

Belongs here: trying again until it works. Does not belong here: noticing (`guardian.py`), bringing up (`target.py`).
"""

from __future__ import annotations

import logging
import sys
import time
from pathlib import Path

from platform_assets.deployment.errors import DeploymentError
from platform_assets.deployment.local.target import LocalTarget
from serving.json_logs import log_to_standard_error

logger = logging.getLogger("guardian")

PAUSES_SECONDS = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Between attempts; the last one is repeated."""
ATTEMPTS = 120


def main(root: str, port: str, setting: str) -> int:
    """Bring the target back, unless it was stopped on purpose or runs; 1 when it could not be in two hours."""
    log_to_standard_error({"program": "guardian"})
    logging.getLogger("httpx").setLevel(logging.WARNING)
    target = LocalTarget(Path(root), int(port), port_setting=setting)
    for attempt in range(ATTEMPTS):
        try:
            logger.info(
                "brought back" if target.bring_back() else "nothing to mend: it runs, or was stopped on purpose"
            )
            return 0
        except DeploymentError as error:
            logger.error("attempt %d: %s", attempt + 1, error)
        time.sleep(PAUSES_SECONDS[min(attempt, len(PAUSES_SECONDS) - 1)])
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
