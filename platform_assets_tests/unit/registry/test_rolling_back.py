"""Going back: to which version, who may promote again what was gone back from, and what the ledger answers afterwards."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from platform_assets.registry.base import CHAMPION, ModelRegistry, RegisteredVersion
from platform_assets.registry.errors import PromotionRefused, RollbackRefused
from platform_assets.registry.history import MADE_FROM, made_from, served_at
from platform_assets.registry.ledger import Entry, Ledger
from platform_assets.registry.mlflow_registry import MlflowRegistry
from platform_assets.registry.promotion import promote
from platform_assets.registry.rollback import roll_back, rollback_target

from .conftest import new_run

AT = datetime(2024, 1, 8, tzinfo=UTC)
RegisterModel = Callable[[str], RegisteredVersion]


@pytest.fixture
def register_model(registry: MlflowRegistry, use_case: str) -> RegisterModel:
    """`register_model(digest)`: a new version with that model."""

    def register(digest: str) -> RegisteredVersion:
        run_id = new_run(registry)
        tags = {"as_of": "2024-01-01", "model_digest": digest, "data_versions": '{"/clean/payments": 3}', "seed": "0"}
        return registry.register(use_case, run_id, tags)

    return register


def promoted(registry: ModelRegistry, ledger: Ledger, version: RegisteredVersion, hours: int, **more: Any) -> None:
    champion = registry.by_alias(version.use_case, CHAMPION)
    evidence = {
        "passed": True, "reason": f"version {version.version} is better", "model_version": version.version,
        "champion": champion.version if champion else None, MADE_FROM: made_from(version, {"xgboost-cpu": "3.2.0"}),
    }  # fmt: skip
    promote(registry, ledger, version, evidence, AT + timedelta(hours=hours), uuid4().hex, **more)


def rolled_back(registry: ModelRegistry, ledger: Ledger, use_case: str, hours: int, to: str | None = None) -> str:
    _, version = rollback_target(registry, ledger, use_case, to)
    roll_back(
        registry, ledger, version, why="declines doubled", who="head of risk", evidence={}, release=None,
        at=AT + timedelta(hours=hours), run_id=uuid4().hex,
    )  # fmt: skip
    return version.version


def champion_of(registry: ModelRegistry, use_case: str) -> str | None:
    found = registry.by_alias(use_case, CHAMPION)
    return found.version if found else None


def test_back_to_the_champion_before_and_the_ledger_knows_it_all(
    registry: ModelRegistry, ledger: Ledger, register_model: RegisterModel, use_case: str
) -> None:
    first, second = register_model("a"), register_model("b")
    promoted(registry, ledger, first, 1)
    promoted(registry, ledger, second, 3)
    assert rolled_back(registry, ledger, use_case, 5) == "1"
    assert champion_of(registry, use_case) == "1"
    assert ledger.moves(use_case)["action"].to_list() == ["promoted", "promoted", "rolled_back"]
    assert served_at(ledger, use_case, AT) is None
    told = [served_at(ledger, use_case, AT + timedelta(hours=hours)) for hours in (2, 4, 6)]
    assert [each.version if each else None for each in told] == ["1", "2", "1"]
    early, _, late = told
    assert early is not None
    assert late is not None
    assert (early.since, early.until) == (AT + timedelta(hours=1), AT + timedelta(hours=3))
    assert (late.since, late.until) == (AT + timedelta(hours=5), None)
    assert late.decision["action"] == "rolled_back"
    assert late.decision["evidence"]["why"] == "declines doubled"
    assert late.promotion["evidence"]["reason"] == "version 1 is better"
    assert late.made_from["data_versions"] == {"/clean/payments": 3}
    assert late.made_from["library_versions"] == {"xgboost-cpu": "3.2.0"}


def test_what_was_gone_back_from_is_promoted_by_a_person_only(
    registry: ModelRegistry, ledger: Ledger, register_model: RegisterModel, use_case: str
) -> None:
    first, second = register_model("a"), register_model("b")
    promoted(registry, ledger, first, 1)
    promoted(registry, ledger, second, 2)
    rolled_back(registry, ledger, use_case, 3)
    with pytest.raises(
        PromotionRefused, match=r"rolled back from at 2024-01-08 03:00 UTC by head of risk: declines doubled"
    ):
        promoted(registry, ledger, second, 4)
    same_model = register_model("b")
    with pytest.raises(PromotionRefused, match="version 2, the same model"):
        promoted(registry, ledger, same_model, 5)
    assert champion_of(registry, use_case) == "1"
    new_model = register_model("c")
    promoted(registry, ledger, new_model, 6)
    assert champion_of(registry, use_case) == new_model.version
    with pytest.raises(PromotionRefused):
        promoted(registry, ledger, second, 7)
    promoted(registry, ledger, second, 8, decided={"who": "head of risk", "why": "the cause was elsewhere"})
    assert champion_of(registry, use_case) == "2"
    promoted(registry, ledger, new_model, 9)
    promoted(registry, ledger, second, 10)
    assert champion_of(registry, use_case) == "2", "once a person has promoted it, it is a model like others"


def test_versions_that_cannot_be_gone_back_to(
    registry: ModelRegistry, ledger: Ledger, register_model: RegisterModel, use_case: str
) -> None:
    with pytest.raises(RollbackRefused, match="has no champion in production"):
        rollback_target(registry, ledger, use_case)
    first, second, third = register_model("a"), register_model("b"), register_model("c")
    promoted(registry, ledger, first, 1)
    with pytest.raises(RollbackRefused, match="it had no champion before"):
        rollback_target(registry, ledger, use_case)
    promoted(registry, ledger, second, 2)
    with pytest.raises(
        RollbackRefused, match=r"version 3 .* never was champion.* earlier champions are 1.*models promote"
    ):
        rollback_target(registry, ledger, use_case, third.version)
    with pytest.raises(RollbackRefused, match=r"version 2 .* is the champion now"):
        rollback_target(registry, ledger, use_case, "2")
    assert rolled_back(registry, ledger, use_case, 3) == "1"
    with pytest.raises(RollbackRefused, match="all of them were rolled back from; name one with --to"):
        rollback_target(registry, ledger, use_case)
    assert rolled_back(registry, ledger, use_case, 4, to="2") == "2"
    promoted(registry, ledger, third, 5)
    assert rolled_back(registry, ledger, use_case, 6) == "2", "1 was gone back from, 2 was not since somebody chose it"


def test_with_a_service_what_answered_is_what_was_deployed(
    registry: ModelRegistry, ledger: Ledger, register_model: RegisterModel, use_case: str
) -> None:
    first, second = register_model("a"), register_model("b")

    def deployed(version: str, hours: int) -> None:
        at = AT + timedelta(hours=hours)
        ledger.record(Entry(uuid4().hex, at, use_case, "deployed", version, None, f"sha256:{version}", {}, "run"))

    promoted(registry, ledger, first, 1)
    deployed("1", 2)
    promoted(registry, ledger, second, 3)
    deployed("1", 4)
    deployed("2", 5)
    before = served_at(ledger, use_case, AT + timedelta(hours=1, minutes=30))
    between = served_at(ledger, use_case, AT + timedelta(hours=4, minutes=30))
    after = served_at(ledger, use_case, AT + timedelta(hours=6))
    assert before is None
    assert between is not None
    assert after is not None
    assert (between.version, between.champion, between.release) == ("1", "2", "sha256:1")
    assert (between.since, between.until) == (AT + timedelta(hours=2), AT + timedelta(hours=5))
    assert (after.version, after.release) == ("2", "sha256:2")
