"""The requirement's language: what it accepts, and that every mistake names its file, line and field."""

from pathlib import Path

import pytest
import yaml

from platform_assets.declaration import DeclarationError, UseCase, feature_contract_hash, load_use_case
from platform_assets.declaration.template import use_case_template

CARD_FRAUD = Path(__file__).parents[3] / "platform_assets" / "defs" / "card_fraud" / "defs.yaml"

MISTAKES = [
    # what is changed, into what, where the error must point, and a piece of what it must say
    ("seed: 0\n    every_days", "sed: 0\n    every_days", "training.sed", "did you mean 'seed'?"),
    ("every_days: 7", "every_days: often", "training.every_days", "expected a whole number"),
    (
        "aggregate: mean\n          column: amount",
        "aggregate: mean\n          column: amont",
        "features.1.windows.1.column",
        "no such column",
    ),
    ("aggregate: mean\n          column: amount", "aggregate: mean", "features.1.windows.1", "needs a `column`"),
    (
        "lengths_days: [1, 7, 30]\n        - name: customer_mean",
        "lengths_days: [1, 300]\n        - name: customer_mean",
        "features.1.windows.0.lengths_days",
        "history has only 183",
    ),
    ("expression: amount,", "expression: is_fraud,", "features.0.rows.0.expression", "a label cannot be a feature"),
    ("expression: amount,", "expression: amount +,", "features.0.rows.0.expression", "not an expression"),
    (
        "delay_days: 7\n          when_empty",
        "delay_days: 6\n          when_empty",
        "features.2.windows.1.delay_days",
        "too early",
    ),
    (
        "label: {source: labels, column: is_fraud}",
        "label: {source: labels, column: fraud}",
        "label.column",
        "no such column",
    ),
    ("label: {source: labels", "label: {source: lables", "label.source", "no such source"),
    ("events: transactions", "events: customers", "events", "needs an event_time"),
    (
        "references: customers.customer_id",
        "references: customers.customer",
        "sources.2.columns.2.references",
        "no column",
    ),
    (
        "delay_days: 7, test_days",
        "delay_days: 3, test_days",
        "training.splits.delay_days",
        "shorter than the label's delay",
    ),
    ("terminal_id, amount]", "terminal_id]", "serving.request", "lacks amount"),
    ("select_by: average_precision", "select_by: log_loss", "training.select_by", "not among the metrics"),
    ("task: binary", "task: regression", "training.metrics.0", "does not apply"),
    ("owner: team:payments-risk", "owner: somebody", "owner", "is no owner"),
    (
        "minimum: 0, maximum: 100000",
        "minimum: 200000, maximum: 100000",
        "sources.2.columns.4.minimum",
        "larger than maximum",
    ),
    ("key: terminal_id", "key: shop_id", "entities.1.key", "no such column"),
    (
        "    request: [transaction_id,",
        "    mode: batch\n    request: [transaction_id,",
        "features.1.windows.0.delay_days",
        "a delay of at least 1 is needed",
    ),
    (
        "{name: neural_network, kind: torch_mlp}",
        "{name: last, kind: single_feature, feature: size}",
        "training.learners.4.feature",
        "no such feature",
    ),
    (
        "{name: neural_network, kind: torch_mlp}",
        "{name: neural_network, kind: torch_mlp, feature: amount}",
        "training.learners.4.feature",
        "by no other",
    ),
    ("violations: 2, of_last: 3", "violations: 4, of_last: 3", "monitoring.retrain.violations", "exceeds of_last"),
]


def declared(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "defs.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(("old", "new", "field", "says"), MISTAKES, ids=[mistake[2] for mistake in MISTAKES])
def test_a_mistake_names_file_line_and_field(tmp_path: Path, old: str, new: str, field: str, says: str) -> None:
    text = CARD_FRAUD.read_text()
    assert text.count(old) >= 1, "the mistake no longer changes anything"
    path = declared(tmp_path, text.replace(old, new, 1))
    with pytest.raises(DeclarationError) as error:
        load_use_case(path)
    lines = [str(problem) for problem in error.value.problems]
    matching = [line for line in lines if f": {field}: " in line]
    assert matching, f"no error points at {field}: {lines}"
    assert says in matching[0]
    place, number, *_ = matching[0].split(":")
    assert place == str(path)
    assert 1 <= int(number) <= text.count("\n") + 1


def test_the_line_is_the_line_of_the_mistake(tmp_path: Path) -> None:
    text = CARD_FRAUD.read_text().replace("key: terminal_id", "key: shop_id")
    line = next(i for i, content in enumerate(text.splitlines(), 1) if "shop_id" in content)
    with pytest.raises(DeclarationError, match=f"defs.yaml:{line}: entities.1.key"):
        load_use_case(declared(tmp_path, text))


def test_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match="dg scaffold defs"):
        load_use_case(tmp_path)


def test_text_that_is_not_yaml(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match="not valid YAML"):
        load_use_case(declared(tmp_path, "type: [unclosed"))


def test_the_template_is_a_valid_declaration(tmp_path: Path) -> None:
    use_case = load_use_case(declared(tmp_path, use_case_template("churn")))
    assert use_case.name == "churn"
    assert use_case.feature_names == (
        "value",
        "user_count_1d",
        "user_count_7d",
        "user_mean_value_1d",
        "user_mean_value_7d",
    )


def test_a_round_trip_through_json_keeps_the_contract() -> None:
    use_case = load_use_case(CARD_FRAUD)
    again = UseCase.model_validate_json(use_case.model_dump_json())
    assert again == use_case
    assert feature_contract_hash(again) == feature_contract_hash(use_case)


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ("aggregate: max", "aggregate: min", True),
        ("arrival_delay_days: 7", "arrival_delay_days: 6", True),
        ("description: Amount of the payment}", "description: How much}", False),
        ("threshold: 0.5", "threshold: 0.7", False),
    ],
)
def test_the_contract_changes_with_the_meaning_of_features_only(
    tmp_path: Path, old: str, new: str, changes: bool
) -> None:
    before = load_use_case(CARD_FRAUD)
    after = load_use_case(declared(tmp_path, CARD_FRAUD.read_text().replace(old, new)))
    assert (feature_contract_hash(before) != feature_contract_hash(after)) is changes


def test_every_field_is_described() -> None:
    """Descriptions show in Dagster's UI and in the reference: a field without one is a hole in the documentation."""

    def undescribed(schema: dict[str, object], name: str) -> list[str]:
        found = []
        for field, value in schema.get("properties", {}).items():  # type: ignore[attr-defined]
            if "description" not in value and "$ref" not in value:
                found.append(f"{name}.{field}")
        return found

    schema = UseCase.model_json_schema()
    holes = undescribed(schema, "UseCase")
    for name, definition in schema["$defs"].items():
        holes += undescribed(definition, name)
    assert holes == []


def test_yaml_anchors_may_share_a_connector() -> None:
    document = yaml.safe_load(CARD_FRAUD.read_text())
    connectors = [source["connector"] for source in document["attributes"]["sources"]]
    assert all(connector == connectors[0] for connector in connectors)
