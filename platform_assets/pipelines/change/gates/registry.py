"""The gates of a change, by name, in the order in which they are reported.

Belongs here: the list. Does not belong here: the gates (a file each).
"""

from platform_assets.members import MemberRegistry
from platform_assets.pipelines.change.gates.base import ChangeGate

_ROOM = "platform_assets.pipelines.change.gates"
CHANGE_GATES: MemberRegistry[ChangeGate] = MemberRegistry(
    "gate of a change",
    {
        "declarations": f"{_ROOM}.definitions:DECLARATIONS",
        "definitions": f"{_ROOM}.definitions:DEFINITIONS",
        "contracts": f"{_ROOM}.contracts:CONTRACTS",
        "requests": f"{_ROOM}.requests:REQUESTS",
        "features": f"{_ROOM}.features:FEATURES",
        "functions": f"{_ROOM}.functions:FUNCTIONS",
        "tables": f"{_ROOM}.tables:TABLES",
        "limits": f"{_ROOM}.loosened_limits:LIMITS_KEPT",
        "checks": f"{_ROOM}.removed_checks:CHECKS_KEPT",
        "automation": f"{_ROOM}.automation:AUTOMATION",
        "tests": f"{_ROOM}.removed_tests:TESTS_KEPT",
        "secrets": f"{_ROOM}.secrets:SECRETS",
        "lint": f"{_ROOM}.lint:LINT",
        "small_world": f"{_ROOM}.small_world:SMALL_WORLD",
        "acceptances": f"{_ROOM}.acceptances:ACCEPTANCES",
    },
)
