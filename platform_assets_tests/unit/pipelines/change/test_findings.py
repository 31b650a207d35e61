"""What a finding says: the line, what is accepted and until when, what a gate that cannot look means."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from platform_assets.pipelines.change.check import acceptance_of, check_change
from platform_assets.pipelines.change.comment import MARKER, comment_on
from platform_assets.pipelines.change.gates.functions import impurities
from platform_assets.pipelines.change.gates.registry import CHANGE_GATES
from platform_assets.pipelines.change.gates.secrets import credential_in
from platform_assets.pipelines.change.git import ChangeError
from platform_assets.pipelines.change.report import report_of
from platform_assets.pipelines.change.sides import ChangeSide, RepositoryChange
from platform_assets.testing.change_world import ACCEPTED_FILE, DECLARATION, declared, write
from platform_assets.testing.planted_changes import BAD, PlantedChange

from .planted import change_of, planted_in

LOWERED = BAD["a floor lowered"]
IN_A_MONTH = (datetime.now(UTC).date() + timedelta(days=30)).isoformat()


def test_a_finding_names_the_line_and_how_it_is_accepted(before: ChangeSide, checkout: Path) -> None:
    with planted_in(checkout, before, LOWERED) as change:
        [outcome] = check_change(change, ["limits"])
        [finding] = outcome.broken
        lines = (checkout / DECLARATION).read_text().splitlines()
        assert finding.file == DECLARATION
        assert lines[finding.line - 1].strip() == "bound: 0.6"
        assert finding.message == "gates.floors.auc_roc.bound is looser: 0.7 → 0.6"

        entry = (
            acceptance_of(finding).replace("who: ...", "who: team:tests").replace("until: ...", f"until: {IN_A_MONTH}")
        )
        write(checkout, ACCEPTED_FILE, entry.replace("why: ...", "why: measured on the new lots") + "\n")
        [outcome] = check_change(change, ["limits"])
        assert outcome.passed
        comment = comment_on(change, report_of(change), [outcome])
        assert f"accepted by team:tests until {IN_A_MONTH}" in comment
        assert "measured on the new lots" in comment


def test_an_acceptance_that_is_over_lets_nothing_pass(before: ChangeSide, checkout: Path) -> None:
    with planted_in(checkout, before, BAD["an acceptance that is over"]) as change:
        broken = {outcome.name for outcome in check_change(change) if not outcome.passed}
        assert broken == {"limits", "acceptances"}


def test_what_cannot_be_accepted_is_not_let_pass_by_an_entry_without_a_name(before: ChangeSide, checkout: Path) -> None:
    with planted_in(checkout, before, BAD["a type that there is not"]) as change:
        entry = {"change": "   ", "who": "team:tests", "why": "any reason at all", "until": IN_A_MONTH}
        write(checkout, ACCEPTED_FILE, yaml.safe_dump([entry]))
        [outcome] = check_change(change, ["declarations"])
        assert not outcome.passed


def test_a_gate_that_could_not_look_is_red(before: ChangeSide, checkout: Path) -> None:
    class Blind:
        about = "nothing"

        def judge(self, change: RepositoryChange) -> list[object]:
            raise ChangeError("no eyes")

    with (
        planted_in(checkout, before, PlantedChange("", lambda root: None)) as change,
        CHANGE_GATES.with_member("blind", Blind()),
    ):  # type: ignore[arg-type]
        [outcome] = check_change(change, ["blind"])
    assert not outcome.passed
    assert "no eyes" in outcome.broken[0].message


def test_nothing_changed_is_nothing_said(before: ChangeSide, checkout: Path) -> None:
    change = change_of(checkout, before)
    assert report_of(change) == {}
    assert all(outcome.passed for outcome in check_change(change))


def test_the_report_names_what_a_new_feature_changes(before: ChangeSide, checkout: Path) -> None:
    further = {
        "name": "slow",
        "description": "slow",
        "rows": [{"name": "slow", "description": "slow", "expression": "speed / 2"}],
    }
    with planted_in(checkout, before, PlantedChange("", declared(lambda d: d["features"].append(further)))) as change:
        report = {subject: [entry.thing for entry in entries] for subject, entries in report_of(change).items()}
        assert report["models to train again"] == ["parking"]
        assert report["features"] == ["parking.slow"]
        assert "parking/features/slow" in report["assets"]
        assert "parking/training/training_set.slow" in report["columns"]
        assert "parking/features/slow complete" in report["checks"]
        comment = comment_on(change, report_of(change), [])
        assert comment.startswith(MARKER)
        assert "a new model is needed" in comment


def test_a_comment_is_only_text(before: ChangeSide, checkout: Path) -> None:
    text = "</details> @everybody [here](https://example.com) | <img src=x>"
    with planted_in(
        checkout, before, PlantedChange("", declared(lambda d: d.update(owner="team:a", description=text)))
    ) as change:
        comment = comment_on(change, report_of(change), check_change(change))
    for sign in ("@everybody", "<img", "](https"):
        assert sign not in comment


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("key = '" + "AKIA" + "Q7" * 8 + "'", "AWS access key"),
        ("-----BEGIN RSA " + "PRIVATE KEY-----", "private key"),
        ("url: redis://default" + ":" + "hunter2@store:6379", "password in an address"),
        ("token: " + "9f8a7b6c5d4e3f2a1b0c", "password"),
        ("url: redis://default:${REDIS_PASSWORD}@store:6379", None),
        ("url: postgresql://user:***@host/db", None),
        ("password: PASSWORD_OF_THE_STORE", None),
        ("token = settings.caller_tokens[name]", None),
        ("password: changeme-please-1", None),
        ("sha256: 903bba8f24df78199e82b1d711315400", None),
    ],
)
def test_a_credential_is_told_from_a_name_for_one(line: str, kind: str | None) -> None:
    assert credential_in(line) == kind


def test_what_is_impure_is_named_with_its_line() -> None:
    source = "import os\nimport polars as pl\n\n\ndef f(x):\n    return x + hash('a') + pl.Series([1]).sample(1)\n"
    assert impurities(source) == [(1, "os"), (6, "hash")]
    assert impurities("import polars as pl\n\n\ndef f(x):\n    return x.clip(0, 1)\n") == []
