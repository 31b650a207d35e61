"""The champion moves with evidence only, every move and refusal is in the ledger once, and a broken-off move is finished."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from platform_assets.registry.base import CHAMPION, ModelRegistry, RegisteredVersion
from platform_assets.registry.errors import PromotionRefused
from platform_assets.registry.ledger import Ledger
from platform_assets.registry.mlflow_registry import MlflowRegistry
from platform_assets.registry.promotion import promote

Register = Callable[[str], RegisteredVersion]
AT = datetime(2024, 1, 8, tzinfo=UTC)


def evidence(version: RegisteredVersion, champion: str | None, **changes: Any) -> dict[str, Any]:
    return {"passed": True, "reason": "", "model_version": version.version, "champion": champion, **changes}


def champion_of(registry: ModelRegistry, use_case: str) -> str | None:
    found = registry.by_alias(use_case, CHAMPION)
    return found.version if found else None


def actions(ledger: Ledger, use_case: str) -> list[tuple[str, str, str | None]]:
    rows = ledger.entries(use_case).iter_rows(named=True)
    return [(row["action"], row["model_version"], row["previous_version"]) for row in rows]


def test_versions_follow_each_other_and_the_ledger_keeps_why(
    registry: MlflowRegistry, ledger: Ledger, register: Register, use_case: str
) -> None:
    first, second = register("2024-01-01"), register("2024-01-08")
    assert promote(registry, ledger, first, evidence(first, None), AT, "run a").previous is None
    promotion = promote(registry, ledger, second, evidence(second, "1", reason="better"), AT, "run b")
    assert promotion.moved
    assert promotion.previous is not None
    assert promotion.previous.version == "1"
    assert champion_of(registry, use_case) == "2"
    assert actions(ledger, use_case) == [("promoted", "1", None), ("promoted", "2", "1")]
    assert json.loads(ledger.entries(use_case)["evidence"][-1])["reason"] == "better"


def test_promoting_the_champion_again_changes_nothing(
    registry: MlflowRegistry, ledger: Ledger, register: Register, use_case: str
) -> None:
    version = register("2024-01-01")
    promote(registry, ledger, version, evidence(version, None), AT, "run a")
    again = promote(registry, ledger, version, evidence(version, None), AT, "run b")
    assert not again.moved
    assert actions(ledger, use_case) == [("promoted", "1", None)]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"model_version": "7"}, "the evidence is about version 7"),
        ({"passed": False}, "its gates did not pass"),
        ({"passed": "yes"}, "its gates did not pass"),
        ({"passed": None}, "its gates did not pass"),
        ({"champion": None}, "compared with no champion, but the champion is version 1 now"),
        ({"champion": "5"}, "compared with version 5, but the champion is version 1 now"),
    ],
)
def test_evidence_that_does_not_allow_it_is_refused_and_recorded(
    registry: MlflowRegistry, ledger: Ledger, register: Register, use_case: str, changes: dict[str, Any], why: str
) -> None:
    first, second = register("2024-01-01"), register("2024-01-08")
    promote(registry, ledger, first, evidence(first, None), AT, "run a")
    for _ in range(2):
        with pytest.raises(PromotionRefused, match=why):
            promote(registry, ledger, second, {**evidence(second, "1"), **changes}, AT, "run b")
    assert champion_of(registry, use_case) == "1"
    refused = ledger.entries(use_case).row(-1, named=True)
    assert [action for action, *_ in actions(ledger, use_case)] == ["promoted", "refused"], "once for each run"
    assert refused["model_version"] == "2"
    assert why in json.loads(refused["evidence"])["reason"]


def test_another_environment_without_a_champion_takes_evidence_that_compared_with_this_one_s(
    registry: MlflowRegistry, ledger: Ledger, register: Register, use_case: str
) -> None:
    first, second = register("2024-01-01"), register("2024-01-08")
    promote(registry, ledger, first, evidence(first, None), AT, "run a")
    staging = registry.of("staging"), ledger.of("staging")
    assert promote(*staging, second, evidence(second, "1"), AT, "run b").moved
    assert champion_of(registry.of("staging"), use_case) == "2"
    assert champion_of(registry, use_case) == "1"


def test_another_environment_s_champion_has_to_be_compared_with_and_the_refusal_says_how(
    registry: MlflowRegistry, ledger: Ledger, register: Register, use_case: str
) -> None:
    first, second, third = (register(f"2024-01-0{day}") for day in (1, 8, 9))
    staging = registry.of("staging"), ledger.of("staging")
    promote(*staging, first, evidence(first, None), AT, "run a")
    promote(registry, ledger, second, evidence(second, None), AT, "run b")
    command = f"PLATFORM_ASSETS_ENVIRONMENT=staging dg launch --assets 'key:\"{use_case}/model/evaluation\"' --partition 2024-01-09"
    with pytest.raises(
        PromotionRefused, match=r"with version 2, but the champion of staging is version 1 now"
    ) as refused:
        promote(*staging, third, evidence(third, "2"), AT, "run c")
    assert str(refused.value).endswith(command)
    assert champion_of(registry.of("staging"), use_case) == "1"


def test_evidence_without_a_verdict_is_refused(registry: MlflowRegistry, ledger: Ledger, register: Register) -> None:
    version = register("2024-01-01")
    with pytest.raises(PromotionRefused):
        promote(registry, ledger, version, {}, AT, "run a")


class Crash(RuntimeError):
    """The process ended here."""


class CrashingRegistry(MlflowRegistry):
    """Ends between the ledger's entry and the alias."""

    def set_alias(self, use_case: str, alias: str, version: str) -> None:
        raise Crash


@pytest.mark.parametrize("retry", ["run b", "run c"])
def test_a_move_that_broke_off_before_the_alias_is_finished_without_a_second_entry(
    registry: MlflowRegistry, ledger: Ledger, register: Register, use_case: str, retry: str
) -> None:
    first, second = register("2024-01-01"), register("2024-01-08")
    promote(registry, ledger, first, evidence(first, None), AT, "run a")
    with pytest.raises(Crash):
        promote(CrashingRegistry(registry.tracking_uri), ledger, second, evidence(second, "1"), AT, "run b")
    assert champion_of(registry, use_case) == "1"
    assert promote(registry, ledger, second, evidence(second, "1"), AT, retry).moved
    assert champion_of(registry, use_case) == "2"
    assert actions(ledger, use_case) == [("promoted", "1", None), ("promoted", "2", "1")]


def test_a_version_that_comes_back_is_another_move(
    registry: MlflowRegistry, ledger: Ledger, register: Register, use_case: str
) -> None:
    first, second = register("2024-01-01"), register("2024-01-08")
    times = [AT.replace(hour=hour) for hour in range(3)]
    promote(registry, ledger, first, evidence(first, None), times[0], "run a")
    promote(registry, ledger, second, evidence(second, "1"), times[1], "run a")
    promote(registry, ledger, first, evidence(first, "2"), times[2], "run a")
    assert champion_of(registry, use_case) == "1"
    assert actions(ledger, use_case)[-1] == ("promoted", "1", "2")
    assert ledger.moves(use_case).height == 3
