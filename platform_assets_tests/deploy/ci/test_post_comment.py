"""The comment of a change stands once on its request, whatever stands beside it, and says why where it cannot stand there."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .simulated_hosts import SimulatedHost, simulated_host

SCRIPT = Path(__file__).parents[3] / "deploy" / "ci" / "post_comment.py"
TOKEN = "not-a-real-one"
FIRST, SECOND = "<!-- platform-assets change -->\nfirst\n", "<!-- platform-assets change -->\nsecond\n"


def post(text: str, tmp_path: Path, environment: dict[str, str]) -> str:
    (tmp_path / "comment.md").write_text(text)
    command = [sys.executable, str(SCRIPT), str(tmp_path / "comment.md")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def github(host: SimulatedHost, tmp_path: Path) -> dict[str, str]:
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 7}}))
    own = {"GITHUB_API_URL": host.address, "GITHUB_REPOSITORY": "a/b", "GITHUB_EVENT_PATH": str(event)}
    return {"GITHUB_ACTIONS": "true", "GITHUB_TOKEN": TOKEN, **own}


def gitlab(host: SimulatedHost, tmp_path: Path) -> dict[str, str]:
    own = {"CI_API_V4_URL": host.address, "CI_PROJECT_ID": "3", "CI_MERGE_REQUEST_IID": "7"}
    return {"GITLAB_CI": "true", "CHANGE_COMMENT_TOKEN": TOKEN, **own}


@pytest.mark.parametrize("environment", [github, gitlab])
def test_a_later_push_brings_the_comment_up_to_date(environment: object, tmp_path: Path) -> None:
    with simulated_host(TOKEN) as host:
        host.comments = dict.fromkeys(range(1, 131), "of somebody")  # more than one page
        own = environment(host, tmp_path)  # type: ignore[operator]
        assert post(FIRST, tmp_path, own) == "commented"
        assert post(SECOND, tmp_path, own) == "comment brought up to date"
        assert [text for text in host.comments.values() if "platform-assets" in text] == [SECOND]
        assert len(host.comments) == 131


@pytest.mark.parametrize("environment", [github, gitlab])
def test_a_token_that_may_not_write_is_told(environment: object, tmp_path: Path) -> None:
    with simulated_host(TOKEN, may_write=False) as host:
        printed = post(FIRST, tmp_path, environment(host, tmp_path))  # type: ignore[operator]
    assert "the token may not comment here (status 403" in printed
    assert TOKEN not in printed


def test_where_there_is_no_request_or_token_it_says_so(tmp_path: Path) -> None:
    event = tmp_path / "event.json"
    event.write_text("{}")
    assert post(FIRST, tmp_path, {"GITHUB_ACTIONS": "true", "GITHUB_EVENT_PATH": str(event)}).startswith(
        "no pull request"
    )
    assert post(FIRST, tmp_path, {"GITLAB_CI": "true"}).startswith("no merge request")
    assert "CHANGE_COMMENT_TOKEN is not set" in post(
        FIRST, tmp_path, {"GITLAB_CI": "true", "CI_MERGE_REQUEST_IID": "7"}
    )
    assert post(FIRST, tmp_path, {}).startswith("neither GitHub Actions nor GitLab CI")
