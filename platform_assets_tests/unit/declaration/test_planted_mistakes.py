"""Mistakes that people make in a declaration, planted one by one: each is told once, with file, line, field and what to do.

What a message says goes to `platform-assets check`, `run`, `sources check` and `dg check defs` alike.
"""

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from platform_assets.declaration import DeclarationError, load_use_case
from platform_assets.declaration.problems import MOST_LINES

CARD_FRAUD = Path(__file__).parents[3] / "platform_assets" / "defs" / "card_fraud" / "defs.yaml"


class Planted(NamedTuple):
    """A mistake.

    Attributes:
        old: what stands in a declaration that is right.
        new: what takes its place.
        field: that the message has to name.
        fix: a piece of what the message has to say of the way out.
        at: text of the line that it has to name; the first line of `new` that differs when empty.
    """

    old: str
    new: str
    field: str
    fix: str
    at: str = ""


AMOUNT = "        - {name: amount, type: float64, description: Amount of the payment, minimum: 0, maximum: 100000}\n"
MISTAKES = {
    # names of fields
    "misspelt key": Planted("  label: {source", "  lable: {source", "lable", "did you mean 'label'?"),
    "misspelt key that may be left out": Planted(
        "seed: 0\n    every", "sed: 0\n    every", "training.sed", "did you mean 'seed'?"
    ),
    "key in the wrong section": Planted(
        "  serving:\n", "  serving:\n    splits: {folds: 2}\n", "serving.splits", "known: mode", "splits: {folds"
    ),
    "key of another case": Planted(
        "primary_key: [customer_id]", "PrimaryKey: [customer_id]", "sources.0.PrimaryKey", "no such field"
    ),
    "section left out": Planted(
        "  events: transactions\n", "", "events", "is missing: The source whose rows are scored", "attributes:"
    ),
    "missing label column": Planted(
        "label: {source: labels, column: is_fraud}", "label: {source: labels}", "label.column", "is missing"
    ),
    # YAML
    "tab": Planted("  owner: team:payments-risk", "\towner: team:payments-risk", "owner", "replace each tab"),
    "wrong indentation": Planted("  entities:\n", "   entities:\n", "entities", "indentation"),
    "no space after the colon": Planted(
        "  events: transactions", "  events:transactions", "events", "write `name: value`"
    ),
    "bracket left open": Planted(
        "primary_key: [transaction_id]", "primary_key: [transaction_id", "sources.primary_key", "not closed"
    ),
    "quote left open": Planted('start: "2018-04-01"', 'start: "2018-04-01', "sources.connector.settings", "not closed"),
    "colon in a text": Planted(
        "description: The card holder}", "description: holder: the person}", "entities", "needs quotes"
    ),
    "key twice": Planted(
        "  events: transactions\n",
        "  events: transactions\n  events: labels\n",
        "events",
        "take one of them out",
        "events: labels",
    ),
    "indented too little": Planted(
        "attributes:\n  name: card_fraud",
        "attributes:\nname: card_fraud",
        "name.description",
        "indentation",
        "description: >-",
    ),
    # values
    "list where a mapping goes": Planted(
        "history: {first_day: 2018-04-01, last_day: 2018-09-30}",
        "history: [2018-04-01, 2018-09-30]",
        "history",
        "expected a mapping",
    ),
    "mapping where a list goes": Planted(
        "lengths_days: [7, 14]", "lengths_days: {first: 7}", "features.1.windows.4.lengths_days", "expected a list"
    ),
    "one value where a list goes": Planted(
        "primary_key: [customer_id]", "primary_key: customer_id", "sources.0.primary_key", "expected a list"
    ),
    "text where a number goes": Planted(
        "every_days: 7", "every_days: weekly", "training.every_days", "expected a whole number, found 'weekly'"
    ),
    "text where true or false goes": Planted(
        "kind: constant, baseline: true",
        "kind: constant, baseline: si",
        "training.learners.0.baseline",
        "expected true or false",
    ),
    "day that is none": Planted(
        "last_day: 2018-09-30", "last_day: 2018-09-31", "history.last_day", "expected a day, such as"
    ),
    "bad duration": Planted("delay_days: 28", "delay: 4 weeks", "features.2.windows.4.delay", "7d, 6h or 30m"),
    "name with a hyphen": Planted("name: card_fraud\n", "name: card-fraud\n", "name", "write 'card_fraud'"),
    "owner that is none": Planted(
        "owner: team:payments-risk", "owner: payments-risk", "owner", "`team:name` or an e-mail address"
    ),
    # names of members
    "unknown connector": Planted(
        "kind: simulator\n", "kind: postgres\n", "sources.0.connector.kind", "known: simulator, files, sql"
    ),
    "misspelt type": Planted(
        "name: amount, type: float64",
        "name: amount, type: float",
        "sources.2.columns.4.type",
        "did you mean 'float64'?",
    ),
    "unknown learner": Planted(
        "kind: random_forest}", "kind: randomforest}", "training.learners.3.kind", "did you mean 'random_forest'?"
    ),
    "unknown metric": Planted("metrics: [auc_roc,", "metrics: [auc,", "training.metrics.0", "did you mean 'auc_roc'?"),
    "unknown aggregate": Planted(
        "aggregate: std", "aggregate: stddev", "features.1.windows.3.aggregate", "did you mean 'std'?"
    ),
    "unknown task": Planted("task: binary", "task: classification", "training.task", "known: binary"),
    # names within the declaration
    "unknown column in a window": Planted(
        "aggregate: max\n          column: amount",
        "aggregate: max\n          column: amonut",
        "features.1.windows.4.column",
        "did you mean 'amount'?",
        "column: amonut",
    ),
    "unknown column in an expression": Planted(
        "amount / customer_genuine_amount_30d, 2)",
        "amonut / customer_genuine_amount_30d, 2)",
        "features.1.rows.0.expression",
        "did you mean 'amount'?",
    ),
    "unknown column in a condition": Planted(
        "where: amount < 100\n          lengths_days: [7, 30]",
        "where: ammount < 100\n          lengths_days: [7, 30]",
        "features.2.windows.2.where",
        "did you mean 'amount'?",
        "where: ammount",
    ),
    "unknown feature in a gate": Planted(
        "expression: is_weekend, part",
        "expression: weekend, part",
        "gates.slices.2.expression",
        "did you mean 'is_weekend'?",
    ),
    "gate on a metric that is not measured": Planted(
        "{metric: auc_roc, bound",
        "{metric: log_loss, bound",
        "gates.floors.0.metric",
        "is not measured; known: auc_roc",
    ),
    "feature that no learner can have": Planted(
        "          - amount_deviation\n",
        "          - amount_deviaton\n",
        "training.learners.2.inputs",
        "did you mean 'amount_deviation'?",
        "inputs:",
    ),
    "unknown source": Planted(
        "label: {source: labels", "label: {source: lables", "label.source", "did you mean 'labels'?"
    ),
    "unknown entity": Planted(
        "entity: terminal\n", "entity: terminals\n", "features.2.entity", "did you mean 'terminal'?"
    ),
    "reference to a table that is not there": Planted(
        "references: customers.customer_id",
        "references: customer.customer_id",
        "sources.2.columns.2.references",
        "did you mean 'customers'?",
    ),
    "column that was taken out": Planted(
        AMOUNT, "", "features.0.rows.0.expression", "the same in lines", "expression: amount,"
    ),
    "name declared twice": Planted(
        "    - {name: terminal, key: terminal_id",
        "    - {name: customer, key: terminal_id, description: Again}\n    - {name: terminal, key: terminal_id",
        "entities.1.name",
        "names must differ",
        "Again",
    ),
    # leaks
    "label as a feature": Planted(
        "GREATEST(amount, 150)",
        "GREATEST(is_fraud, 150)",
        "features.0.rows.3.expression",
        "a label cannot be a feature",
    ),
    "label in the request": Planted(
        "terminal_id, amount]", "terminal_id, amount, is_fraud]", "serving.request.5", "is the label"
    ),
    "misspelt column in the request": Planted(
        "customer_id, terminal_id, amount]",
        "customer_id, terminal, amount]",
        "serving.request.3",
        "did you mean 'terminal_id'?",
    ),
    "column that the request lacks": Planted(
        "customer_id, terminal_id, amount]",
        "customer_id, amount]",
        "serving.request",
        "lacks terminal_id, which the features need: add it",
    ),
    "outcomes before they are known": Planted(
        "delay_days: 7\n          when_empty: 0\n        # Large",
        "when_empty: 0\n        # Large",
        "features.2.windows.1.delay_days",
        "at least 7 days",
        "- name: terminal_fraud_ratio",
    ),
    "column that is known later": Planted(
        "type: float64, description: Amount of",
        "type: float64, known_after: settlement, description: Amount of",
        "serving.request.4",
        "known only after the event",
        "request: [",
    ),
}


def plant(mistake: Planted, folder: Path) -> tuple[Path, str]:
    text = CARD_FRAUD.read_text()
    assert mistake.old in text, "what is changed no longer stands there"
    path = folder / "defs.yaml"
    path.write_text(text.replace(mistake.old, mistake.new, 1))
    return path, path.read_text()


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_in_few_lines_with_its_place_and_what_to_do(name: str, tmp_path: Path) -> None:
    mistake = MISTAKES[name]
    path, text = plant(mistake, tmp_path)
    with pytest.raises(DeclarationError) as refused:
        load_use_case(path)
    lines = str(refused.value).splitlines()
    assert len(lines) <= MOST_LINES, "\n".join(lines)
    told = re.match(rf"{re.escape(str(path))}:(\d+): (.*)", lines[0])
    assert told is not None, lines[0]
    assert mistake.fix in lines[0], lines[0]
    assert told[2].startswith(f"{mistake.field}: "), lines[0]
    written = text.splitlines()[int(told[1]) - 1]
    changed = mistake.at or next(
        (line for line in mistake.new.splitlines() if line.strip() and line not in mistake.old), mistake.new
    )
    assert changed.strip() in written or written.strip() in changed, f"{lines[0]}\nnames: {written}"


def test_a_mistake_is_told_once(tmp_path: Path) -> None:
    """All but those that break several rules at once: a column that was taken out leaves one line, not one for each feature."""
    several = {}
    for name, mistake in MISTAKES.items():
        path, _ = plant(mistake, tmp_path)
        with pytest.raises(DeclarationError) as refused:
            load_use_case(path)
        if len(refused.value.problems) > 1:
            several[name] = [problem.field for problem in refused.value.problems]
    assert not several
