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


@pytest.mark.parametrize(
    ("silent_seconds", "fires"),
    [((30, 30), False), ((65, 30), False), ((95, 30), True), ((45, 45), True)],
    ids=["as usual", "one part is late", "one part hangs", "no part gives a sign"],
)
def test_a_daemon_is_dead_when_one_part_is_silent_for_long_or_all_of_them_for_less(
    silent_seconds: tuple[int, int], fires: bool, tmp_path: Path
) -> None:
    series = healthy(shop())
    heartbeat = "platform_assets_daemon_heartbeat_timestamp_seconds"
    [beat] = [name for name in series if name.startswith(heartbeat)]
    del series[beat]
    for part, seconds in zip(("SENSOR", "ASSET"), silent_seconds, strict=True):
        series[f'{heartbeat}{{daemon="{part}"}}'] = f"{10 - seconds}+60x2000"
    for name in series:
        if "exporter_read" in name:
            series[name] = "10+60x2000"
    test = scenario("signs of life", series, 10, {"DaemonDead"} if fires else set())
    assert promtool.complaints(tmp_path, rules([installation_group()]), scenarios([test])) == ""


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
