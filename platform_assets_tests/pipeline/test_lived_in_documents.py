"""Commands that the documents show: those that only read, run in a home that was lived in; the others, where they are run."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from platform_assets.cli import app
from platform_assets.cli.lineage import COLUMN, ColumnsUnlessNamed
from platform_assets_tests.documented_commands import documented_commands, whole_command

from .conftest import LivedIn

TESTS = Path(__file__).parents[1]
READING = (
    "check", "sources check", "quarantine list", "quarantine show", "versions", "lineage column", "features explain", "features show",
    "models list",
    "models compare", "models ledger", "experiments design", "experiments report", "status",
    "rollout status", "target status", "metrics show", "audit verify", "options list",
)  # fmt: skip
CHANGING = {
    "run": "pipeline/conftest.py",
    "live": "unit/cli/test_live_world.py",
    "stop": "pipeline/conftest.py",
    "init": "onboarding/test_init.py",
    "docs": "graph/test_definitions.py",
    "reproduce": "model/test_made_again.py",
    "models reproduce": "model/test_made_again.py",
    "models promote": "unit/cli/test_models_commands.py",
    "models rollback": "unit/cli/test_models_commands.py",
    "quarantine release": "gates/test_releases.py",
    "quarantine accept": "unit/cli/test_accept_a_day.py",
    "quarantine undo": "unit/cli/test_accept_a_day.py",
    "lake verify": "unit/cli/test_lake_commands.py",
    "lake accept": "unit/cli/test_lake_commands.py",
    "features publish": "unit/cli/test_features_command.py",
    "features stream": "unit/cli/test_features_command.py",
    "features feast": "unit/cli/test_features_command.py",
    "rollout promote": "unit/cli/test_delivery_commands.py",
    "rollout raise": "unit/cli/test_delivery_commands.py",
    "rollout hold": "unit/cli/test_delivery_commands.py",
    "rollout abort": "unit/cli/test_delivery_commands.py",
    "rollout rehearse": "unit/cli/test_delivery_commands.py",
    "gitops status": "unit/cli/test_gitops_commands.py",
    "gitops reconcile": "unit/cli/test_gitops_commands.py",
    "gitops apply": "unit/cli/test_gitops_commands.py",
    "gitops hold": "unit/cli/test_gitops_commands.py",
    "gitops lift": "unit/cli/test_gitops_commands.py",
    "target prune": "unit/cli/test_target_commands.py",
    "target start": "unit/cli/test_target_commands.py",
    "cost advise": "unit/cli/test_cost_command.py",
    "cost cluster": "unit/cli/test_cost_command.py",
    "cost plan": "unit/cli/test_cost_command.py",
    "cost show": "unit/cli/test_cost_command.py",
    "cost training": "unit/cli/test_cost_command.py",
    "change check": "unit/cli/test_change_command.py",
    "change diff": "unit/cli/test_change_command.py",
    "callers apply": "unit/cli/test_delivery_commands.py",
    "backup create": "pipeline/test_lived_in_recovery.py",
    "backup drill": "pipeline/test_lived_in_recovery.py",
    "backup follow": "unit/cli/test_backup_commands.py",
    "backup list": "unit/cli/test_backup_commands.py",
    "backup prune": "unit/cli/test_backup_commands.py",
    "backup verify": "unit/cli/test_backup_commands.py",
    "restore home": "unit/cli/test_backup_commands.py",
    "restore table": "unit/cli/test_backup_commands.py",
    "alerts check": "unit/monitoring/alerting/test_alerts_command.py",
    "alerts observe": "unit/monitoring/alerting/test_alerts_command.py",
    "alerts render": "unit/monitoring/alerting/test_alerts_command.py",
    "audit anchor": "unit/cli/test_explain_commands.py",
    "drift": "unit/cli/test_drift_command.py",
    "explain": "unit/cli/test_explain_commands.py",
    "erase": "unit/cli/test_explain_commands.py",
    "bento": "unit/cli/test_delivery_commands.py",
    "degraded": "unit/cli/test_degraded_command.py",
    "export": "unit/cli/test_step_and_export_commands.py",
    "step": "unit/cli/test_step_and_export_commands.py",
    "package": "pipeline/test_lived_in.py",
    "parity describe": "unit/cli/test_parity_command.py",
    "parity environments": "unit/cli/test_parity_command.py",
    "metrics serve": "unit/cli/test_metrics_command.py",
    "secrets check": "unit/cli/test_secrets_commands.py",
    "secrets keep": "unit/cli/test_secrets_commands.py",
    "secrets run": "unit/cli/test_secrets_commands.py",
    "secrets scan": "unit/cli/test_secrets_commands.py",
    "lineage touched": "unit/pipelines/touched_by/test_touched_command.py",
    "proto": "unit/deployment/test_proto_changes.py",
    "predict batch": "pipeline/test_lived_in.py",
    "predict stream": "unit/cli/test_delivery_commands.py",
}
"""Commands that change something, and the test that runs them."""
EXAMPLES = {
    "USE_CASE": "card_fraud", "fraud": "card_fraud", "churn": "card_fraud", "COLUMN": "amount",
    "fraud@7": "card_fraud@1", "card_fraud@2": "card_fraud@1", "5": "1", "12": "0", "TIME": "2018-07-01T12:00:00Z",
    "parking": "card_fraud",
}  # fmt: skip
"""What a reader puts in place of a name that a page makes up."""

REFUSED = {
    "models compare": "both are version 1 of card_fraud",
    "experiments report": "no request was part of an A/B test yet",
    "versions card_fraud/clean/labels": "has no version as of 2018-06-01",
}
"""What a home with one model, made today, answers to a comparison, to a test of two, and to a day before it."""


def resolved(words: list[str]) -> tuple[str, list[str]]:
    """The command that the first words name, and its arguments."""
    command: Any = whole_command()
    name = []
    while words and hasattr(command, "commands") and words[0] in command.commands:
        command, name, words = command.commands[words[0]], [*name, words[0]], words[1:]
    if isinstance(command, ColumnsUnlessNamed):
        name = [*name, COLUMN]
    return " ".join(name), words


def every_command(command: Any, *path: str) -> Iterator[str]:
    if hasattr(command, "commands"):
        for name, below in command.commands.items():
            yield from every_command(below, *path, name)
    else:
        yield " ".join(path)


def shown() -> list[list[str]]:
    """Each command that only reads, with the arguments of a page; a mention by name alone leaves needed arguments out."""
    found = {}
    for _, [program, *words] in documented_commands():
        name, arguments = resolved(words)
        if (
            program == "platform-assets"
            and name in READING
            and (arguments or name in ("models list", "status", "rollout status", "target status", "metrics show"))
        ):
            found[" ".join(words)] = [*name.split(), *(EXAMPLES.get(word, word) for word in arguments)]
    return list(found.values())


@pytest.fixture
def answer(lived_in: LivedIn, monkeypatch: pytest.MonkeyPatch) -> Callable[[list[str]], tuple[int, str]]:
    for name, value in lived_in.environment.items():
        monkeypatch.setenv(name, value)

    def run(words: list[str]) -> tuple[int, str]:
        before = dict(os.environ)
        result = CliRunner().invoke(app, words)
        assert dict(os.environ) == before
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
        return result.exit_code, result.output

    return run


def test_every_command_is_run_by_a_test() -> None:
    assert set(every_command(whole_command())) == {*READING, *CHANGING}
    for command, file in CHANGING.items():
        assert f'"{command.split()[-1]}"' in (TESTS / file).read_text(), f"{file} does not run {command}"


def test_the_pages_show_the_commands_that_read() -> None:
    assert {name for name, _ in map(resolved, shown())} >= {*READING} - {"features show"}


@pytest.mark.parametrize("words", shown(), ids=" ".join)
def test_a_documented_command_answers(answer: Callable[[list[str]], tuple[int, str]], words: list[str]) -> None:
    code, printed = answer(words)
    reason = REFUSED.get(" ".join(words[:2]), "")
    assert code == 0 or (reason and reason in " ".join(printed.split())), printed
    assert printed.strip()
