"""Which target serves which release: one that a move has not reached is named."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from platform_assets.pipelines.targets import latest_by_target

AT = datetime(2024, 3, 1, tzinfo=UTC)


def deployed(minute: int, target: str | None, version: str, action: str = "deployed") -> dict[str, Any]:
    evidence = {"address": "http://127.0.0.1:8700"} | ({"target": target} if target else {})
    entry = {
        "action": action,
        "model_version": version,
        "release": f"sha256:{version}",
        "evidence": json.dumps(evidence),
    }
    return {**entry, "at": AT + timedelta(minutes=minute)}


def test_the_last_deployment_of_each_target_is_compared_with_the_champion() -> None:
    """Both machines served version 2; the rollback on the first moves the alias, and the second goes on."""
    entries = [
        deployed(1, "b:/home", "1"),
        deployed(2, "a:/home", "2"),
        deployed(3, "b:/home", "2"),
        deployed(4, "a:/home", "1"),
        deployed(5, "a:/home", "3", "deployment_failed"),
        deployed(6, None, "3"),
    ]
    first, second = latest_by_target(entries, "1")
    assert (first.target, first.model_version, first.release, first.is_champion) == ("a:/home", "1", "sha256:1", True)
    assert (second.target, second.model_version, second.is_champion) == ("b:/home", "2", False)
    assert "not the champion" in str(second)
    assert "not the champion" not in str(first)
    assert [one.is_champion for one in latest_by_target(entries, None)] == [False, False]
