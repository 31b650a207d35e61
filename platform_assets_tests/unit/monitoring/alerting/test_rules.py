"""Every alert fires for its cause and for nothing else, as Prometheus itself judges."""

from pathlib import Path

import pytest

from platform_assets.monitoring.alerting.rules import installation_group, use_case_groups

from . import promtool
from .worlds import FAULTS, groups, healthy, rules, scenario, scenarios, shop, with_fault


@pytest.mark.parametrize("objectives", [True, False])
def test_each_alert_fires_for_its_cause_and_no_other_does(objectives: bool, tmp_path: Path) -> None:
    use_case = shop()
    good, judged = healthy(use_case), groups(use_case, objectives=objectives)
    names = {alert.name for group in judged for alert in group.alerts}
    tests = [scenario("all is well", good, at, set()) for at in (5, 60)]
    tests += [
        scenario(fault.alert, with_fault(good, fault), fault.at, {fault.alert, *fault.others} & names)
        for fault in FAULTS
        if fault.alert in names
    ]
    assert promtool.complaints(tmp_path, rules(judged), scenarios(tests, "5m")) == ""


def test_there_is_a_fault_for_every_alert() -> None:
    groups = [*use_case_groups(shop()), installation_group()]
    assert {alert.name for group in groups for alert in group.alerts} - {"Watchdog"} == {
        fault.alert for fault in FAULTS
    }


def test_every_alert_says_whose_it_is_and_what_to_do() -> None:
    for group in use_case_groups(shop()):
        assert group.labels == {"use_case": "shop", "owner": shop().owner}
        for alert in group.alerts:
            assert alert.summary.startswith("shop: ")
            assert alert.action
            assert alert.description.endswith(".")


def test_a_closed_history_and_a_batch_use_case_have_no_alerts_that_cannot_fall_silent() -> None:
    closed = shop().model_copy(
        update={"history": shop().history.model_copy(update={"last_day": shop().history.first_day})}
    )
    names = {alert.name for group in use_case_groups(closed) for alert in group.alerts}
    assert "SourceLate" not in names
    batch = closed.model_copy(update={"serving": closed.serving.model_copy(update={"mode": "batch"})})
    names = {alert.name for group in use_case_groups(batch) for alert in group.alerts}
    assert not names & {"ErrorBudgetBurning", "ServiceGone", "OnlineStoreLate"}
