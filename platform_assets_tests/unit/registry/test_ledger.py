"""The ledger: entries stay as they were written, each once, and say what served when."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from platform_assets.registry.ledger import Entry, Ledger

START = datetime(2024, 1, 1, tzinfo=UTC)


def entry(key: str, hours: int = 0, **changes: Any) -> Entry:
    values: dict[str, Any] = {
        "entry": key,
        "at": START + timedelta(hours=hours),
        "use_case": "card_fraud",
        "action": "deployed",
        "model_version": "1",
        "previous_version": None,
        "release": None,
        "evidence": {},
        "run_id": "run",
    }
    return Entry(**{**values, **changes})


def test_an_empty_ledger_answers_with_nothing(ledger: Ledger) -> None:
    assert ledger.entries("card_fraud").is_empty()
    assert ledger.moves("card_fraud").is_empty()
    assert ledger.serving_at("card_fraud", START) is None


def test_the_same_entry_is_written_once_and_the_first_one_stays(ledger: Ledger) -> None:
    assert ledger.record(entry("a", model_version="1"))
    assert not ledger.record(entry("a", model_version="2"))
    assert ledger.record(entry("b", hours=1))
    assert ledger.entries("card_fraud")["model_version"].to_list() == ["1", "1"]


def test_recording_only_ever_adds(ledger: Ledger) -> None:
    ledger.record(entry("a"))
    before = ledger.entries("card_fraud")
    ledger.record(entry("b", hours=1, action="rolled_back"))
    assert ledger.entries("card_fraud").head(1).equals(before)


def test_entries_are_in_order_of_time_and_of_one_use_case(ledger: Ledger) -> None:
    ledger.record(entry("late", hours=5))
    ledger.record(entry("early", hours=1))
    ledger.record(entry("other", hours=2, use_case="churn"))
    assert ledger.entries("card_fraud")["entry"].to_list() == ["early", "late"]
    assert ledger.entries("churn")["entry"].to_list() == ["other"]


def test_moves_are_promotions_and_rollbacks(ledger: Ledger) -> None:
    for hours, action in enumerate(("promoted", "refused", "deployed", "deployment_failed", "rolled_back")):
        ledger.record(entry(action, hours, action=action))
    assert ledger.moves("card_fraud")["action"].to_list() == ["promoted", "rolled_back"]


def test_what_served_at_a_time_is_the_last_deployment_that_succeeded(ledger: Ledger) -> None:
    ledger.record(entry("a", hours=1, model_version="1"))
    ledger.record(entry("b", hours=3, model_version="2"))
    ledger.record(entry("c", hours=4, model_version="3", action="deployment_failed"))
    ledger.record(entry("d", hours=5, model_version="4", action="promoted"))
    served = [ledger.serving_at("card_fraud", START + timedelta(hours=hours)) for hours in (0, 1, 2, 3, 9)]
    assert served == [None, "1", "1", "2", "2"]


def test_moves_that_are_about_to_be_made_are_another_table_with_records_of_its_own(ledger: Ledger) -> None:
    """As many of one as of the other: a record of the ledger's newest version would not fit the other table's."""
    held = Ledger(replace(ledger.table, known=f"{ledger.table.uri}_known"), ledger.environment)
    for hours, key in enumerate(("a", "b", "c")):
        held.intend(entry(key, hours, action="promoted"))
        assert held.unfinished("card_fraud") is not None
        held.record(entry(key, hours, action="promoted"))
        held.record(entry(f"{key}-deployed", hours))
        assert held.unfinished("card_fraud") is None
    assert held.moves("card_fraud")["entry"].to_list() == ["a", "b", "c"]
