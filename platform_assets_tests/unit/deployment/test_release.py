"""What a release may say, and when two releases are the same."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from platform_assets.declaration.sections.compute import Compute
from platform_assets.deployment.errors import InvalidRelease
from platform_assets.deployment.release import Release


def release(**changes: Any) -> Release:
    values: dict[str, Any] = {
        "use_case": "card_fraud",
        "version": "3",
        "command": ["serve", "--port", "{port}"],
        "ready_path": "/readyz",
        "working_dir": Path("/srv"),
    }
    return Release(**values | changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"use_case": "Card Fraud"}, "use_case"),
        ({"use_case": "../etc"}, "use_case"),
        ({"version": ""}, "version"),
        ({"version": "1\r\nx-evil: 1"}, "version"),
        ({"version": "%DOWNSTREAM%"}, "version"),
        ({"command": []}, "command is empty"),
        ({"command": ["serve"]}, "{port}"),
        ({"ready_path": "readyz"}, "ready_path"),
        ({"processes": 0}, "processes"),
        ({"environment": {"A=B": "1"}}, "variable name"),
        ({"environment": {"A": "\0"}}, "NUL"),
    ],
)
def test_what_no_target_could_run_is_refused_by_name(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRelease, match=said):
        release(**changes)


@pytest.mark.parametrize("version", ["1", "2026.11.24", "sha256:0a1b2c", "1.0+build-7_x"])
def test_usual_versions_are_accepted(version: str) -> None:
    assert release(version=version).version == version


def test_the_port_may_come_through_the_environment() -> None:
    assert release(command=["serve"], environment={"PORT": "{port}"}).processes == 1


def test_the_same_release_is_recognised_and_any_difference_in_running_it_is_not() -> None:
    base = release(environment={"A": "1", "B": "2"})
    assert base.fingerprint == release(environment={"B": "2", "A": "1"}, probe=lambda url: None).fingerprint
    others = [
        replace(base, version="4"),
        replace(base, command=["serve", "{port}"]),
        replace(base, environment={"A": "1", "B": "3"}),
        replace(base, ready_path="/livez"),
        replace(base, working_dir=Path("/other")),
        replace(base, processes=2),
        replace(base, compute=Compute(cpus=2)),
    ]
    assert len({base.fingerprint, *(other.fingerprint for other in others)}) == 8
