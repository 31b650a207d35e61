"""What alerts are about, done for real, and mended as the runbooks say: each is told while it lasts, and no longer.

The cause is planted in the part that meets it (a service, a store, Dagster's memory, the exporter); what that part exports then is given to
Prometheus' own tool with the real rules. A minute of Prometheus passes for each step.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._daemon.types import DaemonHeartbeat
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from platform_assets.deployment.local.doors.exposition import Exposed, merged
from platform_assets.features.errors import FunctionFailed
from platform_assets.monitoring.alerting.rules import installation_group, use_case_groups
from platform_assets.monitoring.operations import OperationsFacts
from platform_assets.monitoring.telemetry.catalogue import PARTS
from platform_assets.monitoring.telemetry.exporter import MetricsPart, PlatformCollector, page
from platform_assets.monitoring.telemetry.runs import DaemonProcesses, daemon_samples, operations_samples
from platform_assets.orchestration.operations_facts import read_checks, read_daemons, read_runs, read_sensors
from platform_assets_tests.serving.parking import EVENT, use_case
from platform_assets_tests.unit.orchestration.test_operations_facts import definitions, run
from platform_assets_tests.unit.serving.test_app import SCORE, Served

from . import promtool
from .worlds import rules, scenarios, shop

STEP_MINUTES = 20
SETTLED = 18
"""Minutes into a step at which it is looked at: longer than any of these alerts waits, and than a counter's last jump counts."""


@dataclass
class Watched:
    """Pages of metrics as Prometheus gets them, one a step.

    Attributes:
        name: of the use case.
        soon: looked at two minutes into the step, for what counts and is over by itself.
    """

    name: str
    soon: bool = False
    pages: list[str] = field(default_factory=list)

    def series(self) -> dict[str, str]:
        """The series of all steps."""
        values: dict[str, list[str]] = {}
        for number, text in enumerate(self.pages):
            for family in text_string_to_metric_families(text):
                for sample in family.samples:
                    labels = {"use_case": self.name, **sample.labels}
                    inside = ",".join(f'{key}="{value}"' for key, value in labels.items())
                    values.setdefault(f"{sample.name}{{{inside}}}", ["_"] * len(self.pages))[number] = f"{sample.value}"
        return {key: " ".join(f"{one}x{STEP_MINUTES - 1}" for one in found) for key, found in values.items()}

    def judged(self, alert: str, folder: Path, groups: Sequence[Any]) -> str:
        """Whether the alert is silent, fires in the second step, and is silent in the last, by promtool; empty where so."""
        looks = [SETTLED, STEP_MINUTES + (2 if self.soon else SETTLED), STEP_MINUTES * (len(self.pages) - 1) + SETTLED]
        asked = f'(count(ALERTS{{alertstate="firing",alertname="{alert}"}}) > bool 0) or vector(0)'
        test = {
            "name": alert,
            "interval": "1m",
            "input_series": [{"series": key, "values": values} for key, values in self.series().items()],
            "promql_expr_test": [
                {"expr": asked, "eval_time": f"{at}m", "exp_samples": [{"labels": "{}", "value": fires}]}
                for at, fires in zip(looks, (0, 1, 0), strict=True)
            ],
        }
        mine = [
            replace(group, alerts=tuple(one for one in group.alerts if one.name == alert), interval="1m")
            for group in groups
        ]
        return promtool.complaints(folder, rules([one for one in mine if one.alerts]), scenarios([test]))


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    served = Served(tmp_path)
    yield served
    served.runtime.close()


def scraped(served: Served) -> str:
    return generate_latest(served.registry).decode()


def asked(served: Served, status: int, times: int = 1) -> None:
    for _ in range(times):
        assert served.client.post(SCORE, json=EVENT).status_code == status


def parking_groups() -> list[Any]:
    return use_case_groups(use_case())


def test_the_store_does_not_answer_and_answers_again(served: Served, tmp_path: Path) -> None:
    watched = Watched("parking", soon=True, pages=[scraped(served)])
    (served.folder / "down").touch()
    asked(served, 503, 3)
    watched.pages.append(scraped(served))
    (served.folder / "down").unlink()  # "Check the store and the network to it"
    asked(served, 200)
    watched.pages.append(scraped(served))
    assert watched.judged("OnlineStoreDoesNotAnswer", tmp_path, parking_groups()) == ""


def test_everything_fails_and_answers_come_again(served: Served, tmp_path: Path) -> None:
    watched = Watched("parking", soon=True, pages=[scraped(served)])
    (served.folder / "down").touch()
    asked(served, 503, 5)
    watched.pages.append(scraped(served))
    (served.folder / "down").unlink()
    asked(served, 200, 5)
    watched.pages.append(scraped(served))
    assert watched.judged("ErrorBudgetBurning", tmp_path, parking_groups()) == ""


def test_a_function_fails_and_the_release_before_comes_back(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(event: Any) -> Any:
        raise FunctionFailed("feature 'speed': parking:speed raised KeyError")

    watched = Watched("parking", soon=True, pages=[scraped(served)])
    with monkeypatch.context() as patched:
        patched.setattr(served.store, "vector", failing)
        asked(served, 500, 3)
    watched.pages.append(scraped(served))
    asked(served, 200)
    watched.pages.append(scraped(served))
    assert watched.judged("FeaturesNotComputed", tmp_path, parking_groups()) == ""


def test_the_log_takes_no_line_and_room_is_made(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*lines: Any) -> None:
        raise OSError(28, "No space left on device")

    watched = Watched("parking", soon=True, pages=[scraped(served)])
    with monkeypatch.context() as patched:
        patched.setattr("serving.prediction_log.os.write", full)
        asked(served, 503, 2)
    watched.pages.append(scraped(served))
    asked(served, 200)
    watched.pages.append(scraped(served))
    assert watched.judged("PredictionLogTakesNoLines", tmp_path, parking_groups()) == ""


def test_a_process_does_not_answer_and_is_started_again(served: Served, tmp_path: Path) -> None:
    text = scraped(served)

    def both(second: str | None) -> str:
        arms = [{"arm": "stable", "process": name} for name in ("one", "two")]
        return merged([Exposed(arms[0], text), Exposed(arms[1], second)])

    watched = Watched("parking", pages=[both(text), both(None), both(text)])
    assert watched.judged("ProcessDown", tmp_path, parking_groups()) == ""


@dataclass
class Dagster:
    """Dagster's memory, and what the exporter makes of it."""

    instance: dg.DagsterInstance
    defs: dg.Definitions
    processes: DaemonProcesses = field(default_factory=DaemonProcesses)

    def page(self, now: datetime | None = None) -> str:
        """What the exporter answers."""
        moment = now or datetime.now(UTC)
        facts = OperationsFacts(
            runs=tuple(read_runs(self.instance, moment - timedelta(days=1))),
            checks=tuple(read_checks(self.defs, self.instance)),
            sensors=tuple(read_sensors(self.defs, self.instance)),
        )
        samples = operations_samples(facts, [("shop", "load")], moment)
        samples += daemon_samples(read_daemons(self.instance), moment, self.processes)
        return page(PlatformCollector([MetricsPart(PARTS[0], lambda: [lambda: samples])]))

    def beat(self, process: str, at: datetime) -> None:
        """A sign of life of a daemon."""
        self.instance.add_daemon_heartbeat(DaemonHeartbeat(at.timestamp(), "SENSOR", process, []))


@pytest.fixture
def dagster() -> Iterator[Dagster]:
    with dg.instance_for_test() as instance:  # an ephemeral one remembers no sensors
        yield Dagster(instance, definitions())


def shop_groups() -> list[Any]:
    return [*use_case_groups(shop()), installation_group()]


def test_a_run_fails_and_is_run_again(dagster: Dagster, tmp_path: Path) -> None:
    watched = Watched("shop", pages=[dagster.page()])
    run(dagster.instance, definitions(fails=True), "2018-05-01")
    watched.pages.append(dagster.page())
    run(dagster.instance, definitions(), "2018-05-01")
    watched.pages.append(dagster.page())
    assert watched.judged("RunFailed", tmp_path, shop_groups()) == ""


def test_a_check_is_red_and_the_day_is_loaded_again(dagster: Dagster, tmp_path: Path) -> None:
    watched = Watched("shop", pages=[dagster.page()])
    run(dagster.instance, definitions(bad_day="2018-05-01"), "2018-05-01")
    watched.pages.append(dagster.page())
    run(dagster.instance, definitions(), "2018-05-01")
    watched.pages.append(dagster.page())
    assert watched.judged("CheckRed", tmp_path, shop_groups()) == ""


def test_a_sensor_is_switched_off_and_on(dagster: Dagster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    off = definitions()
    (sensor,) = off.sensors or ()
    monkeypatch.setattr(sensor, "_default_status", dg.DefaultSensorStatus.STOPPED)
    watched = Watched("shop", pages=[dagster.page(), Dagster(dagster.instance, off).page(), dagster.page()])
    assert watched.judged("AutomationOff", tmp_path, shop_groups()) == ""


def test_a_second_daemon_is_started_and_stopped(dagster: Dagster, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    dagster.beat("one", now)
    watched = Watched("shop", pages=[dagster.page(now)])
    dagster.beat("two", now + timedelta(seconds=20))
    watched.pages.append(dagster.page(now + timedelta(seconds=20)))
    dagster.beat("one", now + timedelta(minutes=3))
    watched.pages.append(dagster.page(now + timedelta(minutes=3)))
    assert watched.judged("TwoDaemons", tmp_path, shop_groups()) == ""


def test_a_table_cannot_be_read_and_is_put_back(tmp_path: Path) -> None:
    broken = False

    def question() -> Iterable[Any]:
        if broken:
            raise OSError("data file part-0 has 11 of its 1009 bytes")
        return []

    seconds = [0.0]
    collector = PlatformCollector([MetricsPart("lake", lambda: [question])], clock=lambda: seconds[0])
    pages = []
    for broken in (False, True, False):  # noqa: B007 - read by the question
        seconds[0] += 60
        pages.append(page(collector))
    watched = Watched("shop", soon=True, pages=pages)
    # An increase of fifteen minutes: silence is looked at after them.
    watched.pages.append(pages[-1])
    assert watched.judged("ExporterErrors", tmp_path, shop_groups()) == ""
