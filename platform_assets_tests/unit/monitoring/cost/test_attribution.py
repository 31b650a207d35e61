"""Money follows quantities: sums hold, idle is apart, and predictions are cheaper the more there are."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from platform_assets.monitoring.cost.attribution import (
    MachineOffer,
    cost_by_kind,
    cost_of_machine,
    days_in,
    forecast,
    priced,
    service_cost,
)
from platform_assets.monitoring.cost.price_sheet import PriceSheet, PriceSheetUnusable, known_sheets
from platform_assets.monitoring.cost.usage import (
    PROXY,
    SERVICE,
    ProcessReading,
    Quantities,
    RunUsage,
    process_rows,
    run_rows,
    storage_rows,
    usage_frame,
)

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
SHEET = PriceSheet(
    name="test",
    version=NOW.date(),
    currency="EUR",
    source="made up for tests",
    core_hour=0.036,
    gigabyte_hour=0.0036,
    gpu_hour=3.6,
    gigabyte_month_stored=0.73,
)


def run(number: int, days: str, cpu: float, job: str = "load") -> list[dict[str, object]]:
    steps = {"features/activity": Quantities(cpu, cpu)}
    return run_rows(RunUsage(f"r{number}", "fraud", job, days, NOW + timedelta(minutes=number), steps))


def world() -> pl.DataFrame:
    return usage_frame(
        [
            *run(1, "2026-11-30", 100.0),
            *process_rows([ProcessReading("3-0", "1@1", SERVICE, 50.0, 10**9, 1000.0, requests=10_000)], {}, NOW),
            *process_rows([ProcessReading("envoy", "2@1", PROXY, 20.0, 10**8, 1000.0, share=0.5)], {}, NOW),
            *storage_rows({"raw/payments": 10**9}, NOW - timedelta(hours=1), NOW, 86_400),
        ]
    )


def test_kinds_add_up_to_all_money() -> None:
    kinds = cost_by_kind(world(), SHEET)
    assert [one.kind for one in kinds] == ["features", "service", "proxy", "storage"]
    assert sum(one.money for one in kinds) == pytest.approx(float(priced(world(), SHEET)["money"].sum()))
    assert sum(one.share_ratio for one in kinds) == pytest.approx(1.0)
    assert kinds[0].money == pytest.approx(100 * 0.036 / 3600)
    assert kinds[3].money == pytest.approx(0.73 / 730)


def test_attributed_others_and_idle_are_the_machine() -> None:
    machine = cost_of_machine([world()], SHEET, MachineOffer(2, 8.0, 1000.0, busy_cpu_seconds=400.0))
    assert machine.others is not None
    assert machine.attributed + machine.others + machine.idle == pytest.approx(machine.total)
    assert machine.others == pytest.approx((400 - 100 - 50 - 10) * 0.036 / 3600)
    assert 0 < machine.idle_ratio < 1


def test_another_use_case_makes_the_first_no_dearer() -> None:
    capacity = MachineOffer(2, 8.0, 1000.0)
    alone, both = (cost_of_machine(usage, SHEET, capacity) for usage in ([world()], [world(), world()]))
    assert both.attributed == pytest.approx(2 * alone.attributed)
    assert both.idle == pytest.approx(alone.idle - alone.attributed)


def test_a_thousand_predictions_cost_less_the_more_there_are() -> None:
    cost = service_cost(world(), SHEET, 2, {})
    assert cost is not None
    assert cost.cpu_seconds_per_thousand == pytest.approx(5.0)
    assert [one.per_thousand for one in cost.loads] == sorted((one.per_thousand for one in cost.loads), reverse=True)
    waiting = 2 * 1.0 * 0.0036 / (0.1 * 3600) * 1000
    assert cost.loads[0].per_thousand == pytest.approx(waiting + 0.005 * 0.036 / 3600 * 1000)


def test_break_even_with_a_batch_is_where_both_cost_the_same() -> None:
    rows = run_rows(RunUsage("b1", "fraud", "predict", "2026-11-30", NOW, {"predictions/daily": Quantities(60, 60)}))
    usage = pl.concat([world(), usage_frame(rows)])
    cost = service_cost(usage, SHEET, 1, {"b1": 1000})
    assert cost is not None
    assert cost.batch_per_thousand is not None
    assert cost.batch_is_cheaper_below is not None
    load = cost.batch_is_cheaper_below
    online = (1.0 * 0.0036 + load * 0.005 * 0.036) / (load * 3600) * 1000
    assert online == pytest.approx(cost.batch_per_thousand)


def test_nothing_is_said_of_predictions_while_none_was_counted() -> None:
    assert service_cost(usage_frame(run(1, "2026-11-30", 1.0)), SHEET, 1, {}) is None


def test_a_forecast_tells_the_fixed_part_from_the_part_of_each_day() -> None:
    rows = [*run(1, "2026-11-01", 12.0), *run(2, "2026-11-01/2026-11-10", 30.0), *run(3, "2026-11-01/2026-11-20", 50.0)]
    found = forecast(usage_frame(rows), SHEET, "load", 30)
    assert found is not None
    assert found.cpu_seconds == pytest.approx(10.0 + 30 * 2.0)
    assert found.money == pytest.approx(70.0 * 0.036 / 3600)
    assert forecast(usage_frame(rows), SHEET, "train", 1) is None


def test_runs_of_one_length_are_scaled() -> None:
    found = forecast(usage_frame([*run(1, "2026-11-01", 4.0), *run(2, "2026-11-02", 6.0)]), SHEET, "load", 2)
    assert found is not None
    assert found.cpu_seconds == pytest.approx(10.0)


def test_days_of_a_run() -> None:
    assert [days_in(text) for text in (None, "", "2026-11-01", "2026-11-01/2026-11-10", "none/none")] == [
        1,
        1,
        1,
        10,
        1,
    ]


def test_every_sheet_that_comes_along_can_be_used() -> None:
    for name in known_sheets():
        assert PriceSheet.named(name).core_hour > 0


def test_a_sheet_that_cannot_be_used_is_told_with_file_and_field(tmp_path: Path) -> None:
    path = tmp_path / "ours.yaml"
    path.write_text("name: ours\nversion: 2026-12-01\ncurrency: euro\nsource: us\ncore_hour: -1\ngigabyte_hour: 0\n")
    with pytest.raises(PriceSheetUnusable, match=r"ours\.yaml: .*currency.*core_hour.*gigabyte_month_stored"):
        PriceSheet.named(str(path))
    with pytest.raises(PriceSheetUnusable, match=r"no price sheet 'moon'.*own"):
        PriceSheet.named("moon")


def test_the_sheet_in_the_documents_can_be_used(tmp_path: Path) -> None:
    page = (Path(__file__).parents[4] / "docs" / "operations" / "cost.md").read_text(encoding="utf-8")
    path = tmp_path / "ours.yaml"
    path.write_text(page.split("```text\n")[1].partition("```")[0], encoding="utf-8")
    assert PriceSheet.named(str(path)).name == "our-contract"
