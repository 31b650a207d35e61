"""What every monitoring stack does with alerts, whichever it is."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from platform_assets.monitoring.alerting.stacks.base import AlertedWorld, Rendered
from platform_assets.monitoring.alerting.stacks.registry import STACKS, StackUnusable, rendered_by_function
from platform_assets.testing.declare import declare


@pytest.fixture(scope="module")
def world() -> AlertedWorld:
    shop = declare(
        name="shop",
        events={"visit": "int64", "at": "datetime", "amount": "float64"},
        label="returned",
        features=["amount"],
        monitoring={"quality_metric": "auc_roc"},
    )
    return AlertedWorld((shop,), runbooks="https://wiki/runbooks")


@pytest.fixture(params=sorted(STACKS.names))
def rendered(request: pytest.FixtureRequest, world: AlertedWorld) -> Rendered:
    return STACKS[request.param].render(world)


def test_every_alert_is_rendered_or_said_to_be_left_out(rendered: Rendered, world: AlertedWorld) -> None:
    text = "".join(rendered.files.values())
    for _, alert in world.alerts():
        assert (alert.name in text) is not (alert.name in rendered.left_out), alert.name
    assert all(rendered.left_out.values())


def test_every_alert_carries_its_runbook_its_owner_and_its_use_case(rendered: Rendered, world: AlertedWorld) -> None:
    text = "".join(rendered.files.values())
    for _, alert in world.alerts():
        if alert.name not in rendered.left_out:
            assert f"https://wiki/runbooks#{alert.runbook}" in text
    assert "use_case" in text
    assert world.use_cases[0].owner in text or "conditions" in "".join(rendered.files)


def test_files_can_be_read_and_are_the_same_each_time(rendered: Rendered, request: pytest.FixtureRequest) -> None:
    for name, text in rendered.files.items():
        if name.endswith(".json"):
            assert json.loads(text)
        elif name.endswith(".yaml"):
            assert all(yaml.safe_load_all(text))
    again = STACKS[request.node.callspec.params["rendered"]]
    assert again.render(request.getfixturevalue("world")) == rendered


def test_no_key_stands_in_a_file(rendered: Rendered) -> None:
    for text in rendered.files.values():
        for line in text.splitlines():
            if "key:" in line.lower():
                assert "${env:" in line, line


def test_pages_stay_with_an_own_template(world: AlertedWorld, tmp_path: Path) -> None:
    lines = "{% for alert in alerts %}{{ alert.name }}={{ alert.severity }}\n{% endfor %}"
    found = STACKS["custom"].render(replace(world, template=lines)).files["alerts.txt"].splitlines()
    assert "QualityLost=page" in found
    assert len(found) == len(world.alerts())


@pytest.mark.parametrize(("name", "operators"), [("datadog", (" > ", " < ", " >= ")), ("newrelic", ("SELECT ",))])
def test_each_condition_compares_something(name: str, operators: tuple[str, ...], world: AlertedWorld) -> None:
    for file, text in STACKS[name].render(world).files.items():
        if file.endswith(".json"):
            for one in json.loads(text):
                query = one["query"] if name == "datadog" else one["nrql"]["query"]
                assert any(operator in query for operator in operators)
                assert "None" not in query
                assert query.count("{") == query.count("}")
                assert query.count("(") == query.count(")")


def one_line_each(world: AlertedWorld) -> Rendered:
    """A stack of one's own: a line for each alert that people are woken for."""
    groups = world.alerts()
    lines = [
        f"{alert.name} -> {alert.promql}"
        for _, alert in groups
        if alert.labels.get("severity", alert.severity) == "page"
    ]
    quiet = {alert.name: "nobody is woken for it" for _, alert in groups if alert.severity != "page"}
    return Rendered({"pages.txt": "\n".join(lines)}, left_out=quiet)


def forgetful(world: AlertedWorld) -> Rendered:
    """A stack that loses alerts."""
    return Rendered({"pages.txt": ""})


def test_a_function_of_ones_own_writes_the_files_and_loses_nothing(world: AlertedWorld) -> None:
    rendered = rendered_by_function(f"{__name__}:one_line_each", world)
    assert rendered.files["pages.txt"].startswith(tuple(alert.name for _, alert in world.alerts()))
    with pytest.raises(StackUnusable, match=r"forgetful writes no .*QualityLost.*, and does not say why"):
        rendered_by_function(f"{__name__}:forgetful", world)
    with pytest.raises(StackUnusable, match="returned dict: return Rendered"):
        rendered_by_function("builtins:dict", ())  # type: ignore[arg-type]
