"""What is found in a state: nothing bad in a healthy one, and one thing for each thing that is done to it."""

from datetime import date, timedelta
from typing import Any

import pytest

from platform_assets.monitoring.use_case_page.findings import findings_of, with_findings
from platform_assets.monitoring.use_case_page.state import (
    DecisionState,
    ModelState,
    OpenAlert,
    RolloutState,
    SourceNewest,
    UseCaseState,
)
from platform_assets.monitoring.use_case_page.state_of_operations import (
    DaemonState,
    DueState,
    FailedRun,
    SensorState,
    StateOfOperations,
)

from .states import DAY, NOW, check, healthy, operations, service, window

HOUR = timedelta(hours=1)
ROLLOUT = RolloutState(
    new="v4", old="v3", stage="2 of 4, canary", weight_percent=10, since=NOW - HOUR, outcome="waiting", sentence="Too few.", over=False
)  # fmt: skip
OVER: dict[str, Any] = {"history_ends": date(2018, 9, 10), "newest_event": NOW - timedelta(days=12)}


def changed(model: Any, **changes: Any) -> Any:
    return model.model_copy(update=changes)


FOUND = {
    "nothing deployed": ({"service": service(version=None)}, "red", "Nothing answers at the address"),
    "no process ready": ({"service": service(ready=0)}, "red", "No process of the service is ready"),
    "one process not ready": ({"service": service(ready=1)}, "yellow", "Some processes are not ready"),
    "a problem of the target": ({"service": service(problems=("full disk",))}, "red", "The target has a problem"),
    "no metrics": ({"service": service(requests=None)}, "red", "The service does not say how it answers"),
    "some errors": ({"service": service(errors=10)}, "yellow", "Requests were not scored"),
    "many errors": ({"service": service(errors=100_000)}, "red", "Requests were not scored"),
    "another version": ({"service": service(model_version="2")}, "red", "another version than the champion"),
    "no event": ({"newest_event": None, "lag_seconds": None}, "red", "No event was ever published"),
    "events a little late": ({"lag_seconds": 31 * 3600.0}, "yellow", "Events are late"),
    "events late": ({"lag_seconds": 49 * 3600.0}, "red", "Events are late"),
    "a history not loaded": (OVER | {"newest_event": NOW - timedelta(days=40)}, "yellow", "not loaded to its end"),
    "rows refused": (
        {"sources": (SourceNewest(name="stays", newest_day=DAY, rows=90, refused_rows=10),)}, "yellow", "Rows of stays were refused",
    ),
    "check red": ({"operations": operations(checks=(check("failed"),))}, "red", "Check quality of clean/stays failed"),
    "check warns": ({"operations": operations(checks=(check("warned"),))}, "yellow", "Check quality of clean/stays warns"),
    "check did not run": ({"operations": operations(checks=(check("did_not_run"),))}, "red", "did not run"),
    "no check at all": ({"operations": operations(checks=())}, "red", "No check was ever run"),
    "drift": ({"windows": (window("drift", "drift"),)}, "yellow", "Requests have drifted"),
    "broken columns": ({"windows": (window("drift", "broken"),)}, "red", "Columns of the requests are broken"),
    "drift not judged": ({"windows": (window("drift", "no_verdict"),)}, "red", "Drift could not be judged"),
    "quality lost": ({"windows": (window("quality", "violated"),)}, "red", "The model has lost quality"),
    "quality lost by the champion": ({"windows": (window("quality", "violated", model_version="3"),)}, "red", "The model has lost quality"),
    "quality lost by the model before": (
        {"windows": (window("quality", "violated", model_version="2"),)}, "yellow", "The model has lost quality",
    ),
    "nobody asked the model before": ({"windows": (window("quality", "no_verdict", model_version="2"),)}, "red", "could not be judged"),
    "quality not judged": ({"windows": (window("quality", "no_verdict"),)}, "red", "Quality could not be judged"),
    "estimate below": ({"windows": (window("estimate", "violated"),)}, "red", "Quality is estimated below its bound"),
    "estimate withdrawn": ({"windows": (window("estimate", "withdrawn"),)}, "yellow", "estimate of quality is withdrawn"),
    "a measure past its bound": ({"windows": (window("measures", "violated"),)}, "red", "A business measure lies past its bound"),
    "measures not judged": ({"windows": (window("measures", "no_verdict"),)}, "red", "Business measures could not be judged"),
    "no champion": ({"champion": None}, "red", "There is no champion"),
    "old champion": ({"champion": ModelState(version="3", as_of=DAY - timedelta(days=30))}, "yellow", "The champion is old"),
    "rollout held": ({"rollout": changed(ROLLOUT, outcome="held")}, "yellow", "v4 is being rolled out and does not move"),
    "rollout stuck": ({"rollout": changed(ROLLOUT, since=NOW - 50 * HOUR)}, "yellow", "v4 is being rolled out and does not move"),
    "rollout aborted": (
        {"rollout": changed(ROLLOUT, outcome="aborted", over=True, since=NOW + HOUR)}, "yellow", "The rollout of v4 was aborted",
    ),
    "failed run": (
        {"operations": operations(failed_runs=(FailedRun(job="load", days="2018-09-19", run_id="0123456789", at=NOW),))},
        "red", "The run load of 2018-09-19 failed",
    ),
    "overdue": (
        {"operations": operations(due=(DueState(job="load", days="2018-09-19", late=True, late_since=NOW),))},
        "red", "load of 2018-09-19 did not run",
    ),
    "left over": (
        OVER | {"operations": operations(due=(DueState(job="load", days="2018-09-09", late=True),), due_next=None)},
        "yellow", "Days of the declared history are left",
    ),
    "automation off": ({"automation": False}, "yellow", "Automation is off"),
    "no daemon": ({"operations": operations(daemons=())}, "red", "The daemon does not run"),
    "daemon dead": (
        {"operations": operations(daemons=(DaemonState(name="SENSOR", healthy=False, heartbeat=NOW - HOUR),))},
        "red", "The daemon does not run",
    ),
    "given up": (
        {"operations": operations(due=(DueState(job="load", days="2018-09-19", late=False, waits_for="failed 5 times", is_stuck=True),))},
        "red", "load of 2018-09-19 is given up for today",
    ),
    "sensor off": ({"operations": operations(sensors=(SensorState(name="due", kind="sensor", running=False),))}, "red", "switched off"),
    "sensor fails": (
        {"operations": operations(sensors=(SensorState(name="due", kind="sensor", running=True, last_tick=NOW, error="no lake"),))},
        "red", "Sensor due fails",
    ),
    "sensor dead": (
        {"operations": operations(sensors=(SensorState(name="due", kind="sensor", running=True, last_tick=NOW - HOUR),))},
        "red", "Sensor due did not run",
    ),
    "given up on training": (
        {"decision": DecisionState(as_of=DAY, verdict="given_up", reason="Three failed.")}, "red", "No new model is asked for any more",
    ),
    "data at fault": ({"decision": DecisionState(as_of=DAY, verdict="mend", reason="A column lacks.")}, "red", "The data is at fault"),
    "a model was asked for": (
        {"decision": DecisionState(as_of=DAY, verdict="train", reason="It drifts.")}, "yellow", "A new model was asked for",
    ),
    "page": ({"alerts": (OpenAlert(name="ServiceDown", severity="page"),)}, "red", "Alert ServiceDown is firing"),
    "ticket": ({"alerts": (OpenAlert(name="DiskFills", severity="ticket"),)}, "yellow", "Alert DiskFills is firing"),
}  # fmt: skip


def test_nothing_bad_is_found_in_a_healthy_state() -> None:
    state = with_findings(healthy())
    assert [one.what for one in state.findings if one.severity != "ok"] == []
    assert state.worst == "ok"
    assert {one.what for one in state.findings} >= {
        "The service answers",
        "Events arrive",
        "All checks passed",
        "Automation is on",
    }


@pytest.mark.parametrize(("changes", "severity", "what"), FOUND.values(), ids=FOUND)
def test_each_thing_is_found_and_nothing_else_is_as_bad(changes: dict[str, Any], severity: str, what: str) -> None:
    state = with_findings(healthy(**changes))
    bad = [one for one in state.findings if one.severity != "ok"]
    assert [one.severity for one in bad if what in one.what] == [severity], [one.what for one in bad]
    assert state.worst == severity
    for one in bad:
        assert one.why, one.what
        assert one.next_command, one.what


def test_a_state_in_which_nothing_was_looked_at_is_red() -> None:
    assert healthy().worst == "red"


def test_the_worst_comes_first_and_among_equals_the_oldest() -> None:
    old = FailedRun(job="train", days="", run_id="a" * 10, at=NOW - timedelta(days=3))
    new = FailedRun(job="load", days="", run_id="b" * 10, at=NOW)
    found = findings_of(healthy(automation=False, operations=operations(failed_runs=(new, old))))
    assert [one.severity for one in found[:3]] == ["red", "red", "yellow"]
    assert found[0].what == "The run train failed"


def test_a_new_champion_ends_what_was_aborted_before() -> None:
    aborted = changed(ROLLOUT, outcome="aborted", over=True, since=NOW - HOUR)
    assert with_findings(healthy(rollout=aborted)).worst == "ok"


def test_a_service_that_gets_a_new_version_may_answer_with_either() -> None:
    state = with_findings(healthy(rollout=ROLLOUT, service=service(model_version="2")))
    assert state.worst == "ok"


def test_a_use_case_without_a_service_misses_none() -> None:
    assert with_findings(healthy(is_realtime=False, service=None)).worst == "ok"


@pytest.mark.parametrize("verdict", ["nothing", "wait"])
def test_a_decision_to_do_nothing_is_no_finding(verdict: str) -> None:
    decision = DecisionState(as_of=DAY, verdict=verdict, reason="Nothing is wrong.")
    assert with_findings(healthy(decision=decision)).worst == "ok"


def test_a_sensor_that_is_off_as_it_is_declared_is_not_missed() -> None:
    off = SensorState(name="automation", kind="sensor", running=False, should_run=False)
    assert with_findings(healthy(operations=operations(sensors=(off,)))).worst == "ok"


def test_checks_that_windows_tell_in_words_are_not_told_twice() -> None:
    checks = (check("passed"), check("failed", "monitoring/drift", "no_drift"))
    state = healthy(windows=(window("drift", "drift"), window("quality", "ok")), operations=operations(checks=checks))
    assert [one.what for one in findings_of(state) if one.severity != "ok"] == [
        "Requests have drifted (window up to 2018-09-19)"
    ]


def empty(**changes: Any) -> UseCaseState:
    nothing: dict[str, Any] = {
        "newest_event": None, "lag_seconds": None, "champion": None, "service": service(version=None), "windows": (), "series": (),
        "operations": StateOfOperations(),
    }  # fmt: skip
    return with_findings(healthy(**{**nothing, **changes}))


def test_a_use_case_that_was_never_begun_misses_nothing() -> None:
    state = empty()
    assert [(one.severity, one.what, one.next_command) for one in state.findings] == [
        ("yellow", "Nothing was loaded yet", "platform-assets run parking")
    ]


def test_one_that_was_begun_and_has_nothing_is_red_for_everything_that_did_not_run() -> None:
    failed = FailedRun(job="load", days="", run_id="a" * 10, at=NOW)
    state = empty(operations=StateOfOperations(failed_runs=(failed,)))
    assert {one.what for one in state.findings if one.severity == "red"} == {
        "No event was ever published", "There is no champion", "No check was ever run", "The daemon does not run: nothing runs by itself",
        "The run load failed",
    }  # fmt: skip
