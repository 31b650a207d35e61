"""`python deploy/observability/dashboards.py`: Grafana dashboards as code, written to `dashboards/` beside it.

Belongs here: panels as Grafana's JSON, by its foundation SDK. Does not belong here: what is shown (`panels.py`).
"""

import json
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("dashboards")
HEIGHT, WIDTH = 8, 24
SOURCE = "${datasource}"


def render_all() -> dict[str, str]:
    """Text of each dashboard's file, by its name without ending."""
    sys.path.insert(0, str(Path(__file__).parent))
    try:
        from panels import BOARDS
    finally:
        sys.path.pop(0)
    return {board.name: render(board) for board in BOARDS}


def render(board: Any) -> str:
    """A dashboard as the JSON that Grafana takes."""
    from grafana_foundation_sdk.builders.dashboard import Dashboard, DatasourceVariable, QueryVariable, Row
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.models.dashboard import DataSourceRef, VariableRefresh

    by_case = QueryVariable("use_case").label("Use case").datasource(DataSourceRef("prometheus", SOURCE))
    by_case = by_case.query("label_values(platform_assets_due_days_behind, use_case)").refresh(
        VariableRefresh.ON_TIME_RANGE_CHANGED
    )
    if board.name != "use_case":
        by_case = by_case.multi(True).include_all(True).all_value(".*")
    dashboard = Dashboard(board.title).uid(f"platform-assets-{board.name}").tags(["platform-assets"]).readonly()
    dashboard = dashboard.time("now-24h", "now").refresh("30s").timezone("utc")
    dashboard = dashboard.with_variable(DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
    dashboard = dashboard.with_variable(by_case)
    for heading, panels in board.rows:
        dashboard = dashboard.with_row(Row(heading))
        for panel in panels:
            dashboard = dashboard.with_panel(_panel(panel, WIDTH // len(panels)))
    return json.dumps(dashboard.build(), cls=JSONEncoder, indent=1, sort_keys=True) + "\n"


def _panel(panel: Any, width: int) -> Any:
    from grafana_foundation_sdk.builders import prometheus, stat, statetimeline, table, timeseries
    from grafana_foundation_sdk.models.dashboard import DataSourceRef

    kinds = {"lines": timeseries, "number": stat, "table": table, "switches": statetimeline}
    built = kinds[panel.kind].Panel().title(panel.title).description(panel.meaning).unit(panel.unit)
    built = built.datasource(DataSourceRef("prometheus", SOURCE)).height(HEIGHT).span(width)
    for number, query in enumerate(panel.queries):
        asked = prometheus.Dataquery().expr(query.expression).legend_format(query.legend).ref_id(chr(ord("A") + number))
        built = built.with_target(asked.instant() if panel.kind in ("number", "table") else asked.range())
    return built


def main() -> None:
    """Write every dashboard."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in render_all().items():
        (FOLDER / f"{name}.json").write_text(text)


if __name__ == "__main__":
    main()
