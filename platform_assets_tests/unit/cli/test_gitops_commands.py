"""`platform-assets gitops status, reconcile, apply, hold, lift` and `models promote --pr` as they are typed."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from platform_assets.cli import app, gitops
from platform_assets.declaration.loader import declared_use_cases
from platform_assets.deployment.rollout.events import Abort
from platform_assets.pipelines.gitops import propose
from platform_assets.registry.base import CHAMPION
from platform_assets.registry.model_store import ModelStore
from platform_assets.testing.fake_registry import FakeRegistry
from platform_assets_tests.unit.cli.test_models_commands import NAME, registry
from platform_assets_tests.unit.deployment.gitops_files import bare_repository, digest, git
from platform_assets_tests.unit.pipelines.delivery_world import DeliveryWorld
from platform_assets_tests.unit.pipelines.test_reconcile import serving

__all__ = ["registry"]
Type = Callable[..., str]


def typed(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == code, result.output
    return " ".join(result.output.split())


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DeliveryWorld:
    world = DeliveryWorld(tmp_path, monkeypatch)
    monkeypatch.setattr(gitops, "_deliveries", lambda installation, name: iter([world.process()]))
    return world


def test_a_merge_a_verdict_a_hold_and_a_person_s_word(world: DeliveryWorld) -> None:
    assert "nothing was promoted yet" in typed("gitops", "reconcile")
    serving(world, "1")
    assert "parking in production: agree" in typed("gitops", "status")
    world.merge("2")
    shown = typed("gitops", "status", code=1)
    assert "git: names version 2, and version 1 is champion: a promotion was merged" in shown
    assert world.champion == "1", "looking changes nothing"
    assert "say version 2, 3 mended" in typed("gitops", "apply", "--once")
    world.decide(Abort)
    assert "1 mended" in typed("gitops", "reconcile", "parking")
    assert "parking is held since" in typed("gitops", "status")
    values = json.loads(CliRunner().invoke(app, ["gitops", "status", "--json"]).output)
    assert values["format"] == 1
    assert values["use_cases"]["parking"]["git"] == "version 1"
    assert "held" in values["use_cases"]["parking"]["hold"]
    assert "say why" in typed("gitops", "lift", "parking", "--why", " ", code=1)
    lifted = typed("gitops", "lift", "parking", "--why", "the guard was wrong", "--who", "head of risk")
    assert "the hold by verdict is lifted (the guards say so)" in lifted
    assert "there is nothing to lift" in typed("gitops", "lift", "parking", "--why", "again", code=1)
    assert world.git.file is not None
    assert world.git.file.hold is None


def test_a_person_holds_until_a_time_and_may_do_so_again(world: DeliveryWorld) -> None:
    serving(world, "1")
    assert "is over already" in typed("gitops", "hold", "parking", "--why", "x", "--until", "2020-01-01", code=1)
    for _ in range(2):
        held = typed("gitops", "hold", "parking", "--why", "year's end", "--until", "2100-01-01", "--who", "audit")
        assert "parking is held until 2100-01-01 00:00 UTC" in held
        assert world.git.file is not None
        assert world.git.file.hold is not None
        typed("gitops", "lift", "parking", "--why", "over")


def test_what_is_left_for_a_person_ends_with_1(world: DeliveryWorld) -> None:
    serving(world, "1")
    world.releases.files["production", "parking"] = "kind: Release\n"
    for command in ("reconcile", "status"):
        assert "model: Field required" in typed("gitops", command, code=1)
    world.releases.is_reachable = False
    assert "error: the repository in memory did not answer" in typed("gitops", "apply", "--once", code=1)


def test_without_a_repository_every_command_says_which_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLATFORM_ASSETS_HOME", str(tmp_path))
    monkeypatch.delenv("PLATFORM_ASSETS_GITOPS", raising=False)
    for command in ("status", "reconcile", "apply"):
        assert "set PLATFORM_ASSETS_GITOPS" in typed(
            "gitops", command, *(["--once"] if command == "apply" else []), code=1
        )
    monkeypatch.setenv("PLATFORM_ASSETS_GITOPS", '{"repository": "/a", "pull_requests": {"kind": "svn"}}')
    assert "known: branch, github, gitlab" in typed("gitops", "status", code=1)


def test_a_promotion_is_a_branch_in_a_real_repository(
    registry: FakeRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote = bare_repository(tmp_path / "releases.git")
    monkeypatch.setenv("PLATFORM_ASSETS_GITOPS", json.dumps({"repository": str(remote)}))
    for number in "123":
        tags = {"feature_contract": _contract(), "release_digest": digest(number)}
        registry.set_tags(registry.get(NAME, number), tags)
    tested = SimpleNamespace(rows=20, max_difference=0.0, startup_seconds=1.5, resident_bytes=10**8)
    built = SimpleNamespace(digest=digest("2"), size_bytes=10**6)
    monkeypatch.setattr(propose, "package_version", lambda *_: SimpleNamespace(bento=built, self_test=tested))
    typed("models", "promote", f"{NAME}@1")
    said = typed("models", "promote", f"{NAME}@2", "--pr", "--why", "fewer false alarms", "--who", "head of risk")
    assert f"{NAME} version 2 is proposed for production: promote/{NAME}/2/production was pushed" in said
    folder = f"environments/production/{NAME}"
    text = git(remote, "show", f"promote/{NAME}/2/production:{folder}/release.yaml")
    assert "version: '2'" in text
    assert digest("2") in text
    page = git(remote, "show", f"promote/{NAME}/2/production:{folder}/comparison.md")
    assert "| average_precision | 0.5000 | 0.2500 | +0.2500 better |" in page
    champion = registry.by_alias(NAME, CHAMPION)
    assert champion is not None
    assert champion.version == "1"
    assert "champion of production already" in typed("models", "promote", f"{NAME}@1", "--pr", code=1)
    assert "held" not in typed("models", "ledger", NAME)


def _contract() -> str:
    from platform_assets.declaration import feature_contract_hash

    return feature_contract_hash(declared_use_cases(NAME)[0].use_case)


def test_the_ledger_of_an_installation_with_a_repository_keeps_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from platform_assets.installation import Installation

    monkeypatch.setenv("PLATFORM_ASSETS_HOME", str(tmp_path))
    for setting, keeps in (('{"repository": "/a"}', True), ("", False)):
        monkeypatch.setenv("PLATFORM_ASSETS_GITOPS", setting)
        models: Any = Installation.from_environment().models
        assert isinstance(models, ModelStore)
        assert models.ledger(NAME).keeps_holds is keeps
