"""Other targets of one home: their public ports are theirs, whether they run or not.

Belongs here: refusing an address that another environment was deployed on. Does not belong here: ports that other programs listen on
(`host.py`), or where environments lie (`deployment/environments.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from platform_assets.deployment.errors import PortInUse, StateUnreadable
from platform_assets.deployment.local.state import load_state

STATE_FILE = "state.json"


def refuse_port_of_others(port: int, others: Mapping[str, Path], setting: str) -> None:
    """Refuse the address of another environment of this home, also while nothing of it runs.

    Args:
        port: the public port that is wanted.
        others: roots of the other targets, by environment.
        setting: how the user's settings call the port.

    Raises:
        PortInUse: it is theirs.
    """
    for name, root in others.items():
        try:
            state = load_state(root / STATE_FILE)
        except StateUnreadable:
            continue  # whoever runs that environment is told
        if state is not None and state.envoy_port == port:
            raise PortInUse(port, setting=setting, owner=f"the environment {name} of this home ({root})")
