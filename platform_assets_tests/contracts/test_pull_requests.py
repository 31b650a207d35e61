"""What every kind of pull request does: one request a branch, one sentence where it cannot be opened, and no token in any of them."""

from collections.abc import Iterator
from typing import Any

import pytest

from platform_assets.deployment.gitops.errors import PullRequestRefused
from platform_assets.deployment.gitops.pull_requests.base import ProposedText, PullRequests
from platform_assets.deployment.gitops.pull_requests.registry import PULL_REQUESTS
from platform_assets.deployment.gitops.repository import PushedBranch
from platform_assets.deployment.gitops.settings import GitOpsSettings
from platform_assets_tests.contracts.simulated_git_host import TOKEN, SimulatedGitHost, simulated_git_host

BRANCH = PushedBranch("promote/fraud/2/production", "main", "abc")
TEXT = ProposedText("fraud: promote version 2 to production", "# What changes\n")
FIELDS: dict[str, dict[str, Any]] = {
    "branch": {},
    "github": {"repository": "bank/releases", "token_variable": "THE_TOKEN"},
    "gitlab": {"project": "bank/releases", "token_variable": "THE_TOKEN"},
}
PATHS = {"github": "/repos/bank/releases/pulls", "gitlab": "/projects/bank%2Freleases/merge_requests"}


@pytest.fixture
def host() -> Iterator[SimulatedGitHost]:
    with simulated_git_host() as host:
        yield host


@pytest.fixture(params=PULL_REQUESTS.names)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def of_kind(kind: str, host: SimulatedGitHost) -> PullRequests:
    fields = FIELDS[kind] | ({} if kind == "branch" else {"api": host.address})
    return GitOpsSettings(repository="/a", pull_requests={"kind": kind, **fields}).requests


def test_every_kind_is_tried_here() -> None:
    assert set(PULL_REQUESTS) == set(FIELDS)


def test_a_branch_has_one_request_however_often_it_is_proposed(kind: str, host: SimulatedGitHost) -> None:
    requests = of_kind(kind, host)
    first, again = (requests.open(BRANCH, TEXT, {"THE_TOKEN": TOKEN}) for _ in range(2))
    assert (first.address, first.number) == (again.address, again.number)
    assert not again.opened
    if kind == "branch":
        assert (first.address, host.asked) == (None, [])
        return
    assert first.opened
    assert str(first.address).startswith("https://simulated.example/")
    [(_, path, body)] = [call for call in host.asked if call[0] == "POST"]
    assert path == PATHS[kind]
    assert {TEXT.title, TEXT.body, BRANCH.name, "main"} <= set(map(str, body.values()))


@pytest.mark.parametrize("fault", ["no token", "wrong token", "fails", "gone"])
def test_a_host_that_refuses_is_one_sentence_that_shows_no_token(kind: str, host: SimulatedGitHost, fault: str) -> None:
    if kind == "branch":
        pytest.skip("asks no host")
    requests, variables = of_kind(kind, host), {"THE_TOKEN": TOKEN}
    if fault == "no token":
        variables = {}
    elif fault == "wrong token":
        variables = {"THE_TOKEN": "another-token"}
    elif fault == "fails":
        host.fails = 503
    else:
        host.server_close()
        requests = of_kind(kind, host).model_copy(update={"api": "http://127.0.0.1:9"})
    with pytest.raises(PullRequestRefused, match=r"branch.*was pushed") as raised:
        requests.open(BRANCH, TEXT, variables)
    assert TOKEN not in str(raised.value)
    assert "another-token" not in str(raised.value)


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ({"kind": "bitbucket"}, "known: branch, github, gitlab"),
        ({"kind": "github"}, "repository"),
        ({"kind": "gitlab", "project": "a", "surprise": 1}, "surprise"),
        ({}, "there is no kind of pull request ''"),
    ],
)
def test_settings_that_cannot_be_used_are_named(values: dict[str, Any], names: str) -> None:
    with pytest.raises(ValueError, match=names):
        GitOpsSettings(repository="/a", pull_requests=values)
