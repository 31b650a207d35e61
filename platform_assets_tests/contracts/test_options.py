"""What every value of every choice of a tool promises: a test holds it, or it is refused at load with a reason, a day and a way out; and
keys that belong to another value are refused, all of them.

Belongs here: the registries of `declaration/options` as a whole. Does not belong here: what carries a value out (a suite of its own for
each choice, which the value names).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from pydantic import ValidationError
from typer.testing import CliRunner

from platform_assets.cli import app
from platform_assets.cli.options_reference import OPTIONS_PAGE, option_results, render_options
from platform_assets.declaration import DeclarationError, UseCase, load_use_case
from platform_assets.declaration.options.base import Option, OptionRefusal, OptionRefused, ToolChoice
from platform_assets.declaration.options.clouds import CLOUD
from platform_assets.declaration.options.registry import CHOICES
from platform_assets.pipelines.cloud_settings import CloudContradicted, require_cloud
from platform_assets.secret_sources.registry import SECRET_SOURCES
from platform_assets.settings import Settings
from platform_assets.testing.declare import declaration

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parent
VALUES = [(field, name) for field in CHOICES for name in CHOICES[field].options]
REFUSED = [(field, name) for field, name in VALUES if CHOICES[field].options[name].refused is not None]
ALLOWED = [value for value in VALUES if value not in REFUSED]
TOPICS = {"brokers": "BROKERS", "events": "visits", "predictions": "scores"}
SAMPLES: dict[str, Any] = {
    "serving.stream": TOPICS,
    "predictions": {
        "source": "events",
        "score": "amount",
        "reference": {"first_day": "2024-01-02", "last_day": "2024-01-03"},
    },
    "databricks": {"workspace": "WORKSPACE", "token": "TOKEN", "unity_schema": "ml.features"},
    "custom_feature_store": {"opened_by": "platform_assets.testing.folder_feature_store:open_store"},
    "serving.licence": "Example Ltd, number 17",
    "freshness": {"warn_after_hours": 12},
    "monitoring.rendered_by": "platform_assets.testing.folder_feature_store:open_store",
    "serving.fallback": "no_history",
    "serving.log": "after_answer",
    "serving.tracing": {"sample_ratio": 0.5},
    "serving.callers": {"auth": "none"},
    "serving.overload": {"max_wait_ms": 50},
    "serving.guards": {"alpha": 0.01},
    "monitoring.objectives": {"availability": 0.99},
}
"""Something that may stand at each key that belongs to some values alone."""


def option(field: str, name: str) -> Option:
    return CHOICES[field].options[name]


def keys_of(choice: ToolChoice[Any]) -> set[str]:
    return {key for name in choice.options for key in choice.options[name].own_keys}


def mutations() -> Iterator[tuple[str, str, str]]:
    """Every key that belongs to some values of a choice, under every other value that may be declared."""
    for field, name in ALLOWED:
        for key in sorted(keys_of(CHOICES[field]) - set(option(field, name).own_keys)):
            yield field, name, key


def document(**values: Any) -> dict[str, Any]:
    """A declaration as plain values, with others at dotted paths."""
    whole = declaration(
        name="shop",
        events={"visit": "int64", "at": "datetime", "amount": "float64"},
        label="returned",
        features=["amount"],
        monitoring={"quality_metric": "auc_roc"},
    )
    for path, value in values.items():
        *folders, last = path.split(".")
        place = whole
        for step in folders:
            place = place.setdefault(step, {})
        place[last] = value
    return whole


def written(folder: Path, attributes: dict[str, Any]) -> Path:
    path = folder / "defs.yaml"
    plain = json.loads(json.dumps(attributes, default=str))
    path.write_text(yaml.safe_dump({"type": "platform_assets.MlUseCase", "attributes": plain}, sort_keys=False))
    return path


@pytest.mark.parametrize(("field", "name"), VALUES)
def test_every_value_says_what_it_is(field: str, name: str) -> None:
    choice, value = CHOICES[field], option(field, name)
    assert (choice.field, value.name) == (field, name)
    assert value.means
    assert not value.means.endswith(".")
    assert option(field, choice.default).refused is None


@pytest.mark.parametrize(("field", "name"), VALUES)
def test_every_value_names_a_test_that_is_there(field: str, name: str) -> None:
    file, _, test = option(field, name).held_by.partition("::")
    assert f"def {test}(" in (TESTS / file).read_text(encoding="utf-8")


@pytest.mark.parametrize(("field", "name"), REFUSED)
def test_a_refused_value_is_told_with_reason_day_and_way_out(field: str, name: str, tmp_path: Path) -> None:
    path = written(tmp_path, document(**{field: name}))
    with pytest.raises(DeclarationError) as refused:
        load_use_case(path)
    [problem] = refused.value.problems
    line = next(n for n, text in enumerate(path.read_text().splitlines(), 1) if text.endswith(f": {name}"))
    assert (problem.file, problem.line, problem.field) == (path, line, field)
    assert isinstance(problem.cause, OptionRefused)
    refusal = problem.cause.refusal
    assert (problem.cause.choice, problem.cause.name) == (field, name)
    assert refusal.day <= date(2026, 12, 31)
    for words in (refusal.reason, refusal.way_out, str(refusal.day)):
        assert words in problem.message
    ways_out = set(re.findall(r"`(\w+)`", refusal.way_out))
    assert ways_out, "it names what to declare instead"
    assert all(value in CHOICES[field].options and option(field, value).refused is None for value in ways_out)


@pytest.mark.parametrize(("field", "name", "key"), list(mutations()))
def test_a_key_of_another_value_is_refused(field: str, name: str, key: str, tmp_path: Path) -> None:
    path = written(tmp_path, document(**{field: name, key: SAMPLES[key]}))
    with pytest.raises(DeclarationError) as refused:
        load_use_case(path)
    [problem] = [one for one in refused.value.problems if one.field == key]
    assert f"belongs to `{field}`" in problem.message
    assert f"declared is {name}" in problem.message
    assert "leave this out" in problem.message
    last = key.rpartition(".")[2]
    assert problem.line is not None
    assert path.read_text().splitlines()[problem.line - 1].strip().startswith(f"{last}:")


@pytest.mark.parametrize(
    ("field", "name", "key"), [(field, name, key) for field, name in ALLOWED for key in option(field, name).needs]
)
def test_a_key_that_a_value_needs_is_asked_for(field: str, name: str, key: str) -> None:
    with pytest.raises(ValidationError) as refused:
        UseCase.model_validate(document(**{field: name}))
    [problem] = refused.value.errors()
    assert problem["loc"] == tuple(key.split("."))
    assert f"`{field}` {name} needs it: " in problem["msg"]
    assert UseCase.model_validate(document(**{field: name, key: SAMPLES[key]}))


def test_seldon_is_refused_with_its_day_unless_somebody_holds_a_licence() -> None:
    with pytest.raises(ValidationError, match=r"seldon is refused since 2024-01-22: .*Business Source License"):
        UseCase.model_validate(document(**{"serving.platform": "seldon"}))


def test_the_mutations_are_not_empty() -> None:
    assert len(list(mutations())) > 30
    assert set(SAMPLES) == {key for field in CHOICES for key in keys_of(CHOICES[field])}


def test_what_is_the_default_anyway_is_no_setting() -> None:
    UseCase.model_validate(document(**{"serving.stream": None, "predictions": None}))


def test_what_was_released_once_is_read_whatever_is_chosen_today() -> None:
    stored = UseCase.model_validate(document()).model_dump_json()
    changed = json.loads(stored) | {"cloud": "azure"}
    changed["serving"] |= {"stream": TOPICS}
    assert UseCase.model_validate_json(json.dumps(changed)).serving.stream is not None


def test_a_value_that_nobody_knows_is_told_with_what_was_meant(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match=r"tracking: 'mlfow' is none of them; did you mean 'mlflow'\?"):
        load_use_case(written(tmp_path, document(tracking="mlfow")))
    with pytest.raises(ValidationError, match="is none of them"):
        UseCase.model_validate(document(tracking=["mlflow"]))


def test_what_belongs_to_another_cloud_is_refused() -> None:
    stream = {"kind": "kinesis", "stream": "visits"}
    for cloud, is_fine in {"local": True, "aws": True, "several": True, "azure": False, "gcp": False}.items():
        whole = document(cloud=cloud)
        whole["sources"][0]["connector"] = stream
        if is_fine:
            assert UseCase.model_validate(whole).cloud == cloud
            continue
        with pytest.raises(
            ValidationError, match=f"is a service of aws, and `cloud` is {cloud}: declare `cloud: several`"
        ):
            UseCase.model_validate(whole)


SETTINGS_OF = {
    "aws": ({"lake": "s3://b/lake"}, {"price_sheet": "aws"}, {"secrets": {"kind": "aws", "secret": "a/b"}}),
    "azure": ({"mlflow_artifacts": "abfss://b/a"}, {"price_sheet": "azure"}),
    "gcp": ({"lake_copy": "gs://b/copy"}, {"price_sheet": "gcp"}),
}


@pytest.mark.parametrize("cloud", ["local", "several", *SETTINGS_OF])
def test_settings_of_another_cloud_are_refused(cloud: str) -> None:
    use_case = UseCase.model_validate(document(cloud=cloud))
    for owner, changes in SETTINGS_OF.items():
        for change in changes:
            settings = Settings.from_environment({}).model_copy(
                update={
                    name: SimpleNamespace(**value) if isinstance(value, dict) else value
                    for name, value in change.items()
                }
            )
            if cloud in (owner, "local", "several"):
                require_cloud(use_case, settings)
                continue
            [name] = change
            message = f"shop declares `cloud: {cloud}`, and PLATFORM_ASSETS_{name.upper()} is .*{owner}.*declare `cloud: several`"
            with pytest.raises(CloudContradicted, match=message):
                require_cloud(use_case, settings)


def test_an_object_store_of_ones_own_is_no_cloud() -> None:
    own = {"lake": "s3://b/lake", "object_store": {"AWS_ENDPOINT_URL": "http://minio:9000"}}
    require_cloud(UseCase.model_validate(document(cloud="gcp")), Settings.from_environment({}).model_copy(update=own))


def test_modules_and_secrets_of_each_cloud_are_there() -> None:
    for name in CLOUD.options:
        cloud = CLOUD.options[name]
        assert not cloud.terraform or (ROOT / "deploy" / "terraform" / cloud.terraform / "main.tf").exists()
        assert not cloud.secrets or cloud.secrets in SECRET_SOURCES


def test_a_further_value_edits_no_existing_file(tmp_path: Path) -> None:
    ended = Option("ended", means="A tool", refused=OptionRefusal("it ended", date(2026, 1, 1), "Declare `mlflow`"))
    with CHOICES["tracking"].options.with_member("ended", ended):
        assert "| `ended` | refused since 2026-01-01 | It ended. Declare `mlflow` |" in render_options({})
        with pytest.raises(DeclarationError, match="ended is refused since 2026-01-01: it ended"):
            load_use_case(written(tmp_path, document(tracking="ended")))


def test_the_page_is_what_the_registries_say() -> None:
    text = (ROOT / OPTIONS_PAGE).read_text(encoding="utf-8")
    assert text == render_options(option_results(ROOT)), "run `make docs`"
    for _, name in VALUES:
        assert f"| `{name}` |" in text


def test_the_page_says_what_the_tests_came_to() -> None:
    test = option("tracking", "mlflow").held_by
    red = {test: {"passed": 3, "failed": 1, "skipped": 0, "day": "2026-12-01"}}
    assert "| red, 2026-12-01 |" in render_options(red)
    assert "| not run |" in render_options(red)
    assert "| passed, 2026-12-01 |" in render_options({test: red[test] | {"failed": 0}})
    for name, result in option_results(ROOT).items():
        assert not result["failed"], f"{name} was red on {result['day']}: run `make options-test`"


def test_the_command_lists_every_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    listed = json.loads(CliRunner().invoke(app, ["options", "list", "--json"]).stdout)["options"]
    assert [(one["choice"], one["value"]) for one in listed] == VALUES
    by_value = {(one["choice"], one["value"]): one for one in listed}
    assert by_value["tracking", "neptune"]["since"] == "2026-03-05"
    assert by_value["tracking", "neptune"]["standing"] == "refused"
    assert "card_fraud" in by_value["tracking", "mlflow"]["use_cases"]
    shown = CliRunner().invoke(app, ["options", "list", "tracking"])
    assert shown.exit_code == 0
    assert "neptune" in shown.stdout
    assert CliRunner().invoke(app, ["options", "list", "trackin"]).exit_code == 2
