"""Categories: text, codes and booleans as features, by declared or by learned values."""

from typing import Any

import pytest
from pydantic import ValidationError

from platform_assets.declaration import UseCase, feature_contract_hash
from platform_assets.testing.declare import declare

EVENTS = {
    "sale": "int64",
    "at": "datetime",
    "country": "string?",
    "lane": "int32",
    "gift": "bool",
    "price": "float64",
    "kind": ["new", "old"],
}
LINEAR = [
    {"name": "constant", "kind": "constant", "baseline": True},
    {"name": "logistic", "kind": "logistic_regression"},
]


def category(column: str, values: Any, **more: Any) -> dict[str, Any]:
    return {"column": column, "description": column.capitalize(), "values": values, **more}


def use_case(*categories: dict[str, Any], learned: list[str] | None = None, learners: Any = LINEAR) -> UseCase:
    view = {"name": "sale_itself", "categories": list(categories)}
    return declare(
        events=EVENTS, label="late", features=[view], training={"categories": learned or [], "learners": learners}
    )


def test_each_declared_value_becomes_a_feature_and_all_others_one() -> None:
    view = use_case(
        category("country", ["DE", "AT/W", "it's"]), category("lane", [1, 12]), category("gift", [True], name="is_gift")
    ).features[0]
    assert view.feature_names == (
        "country_de",
        "country_at_w",
        "country_it_s",
        "country_unknown",
        "lane_1",
        "lane_12",
        "lane_unknown",
        "is_gift_true",
        "is_gift_unknown",
    )
    assert [row.expression for row in view.rows][2:5] == [
        "CASE WHEN country = 'it''s' THEN 1.0 ELSE 0.0 END",
        "CASE WHEN country IN ('DE', 'AT/W', 'it''s') THEN 0.0 ELSE 1.0 END",
        "CASE WHEN lane = 1 THEN 1.0 ELSE 0.0 END",
    ]


def test_values_may_be_named_and_clashes_must_be() -> None:
    view = use_case(category("country", {"north": "N/01", "south": "N 01"})).features[0]
    assert view.feature_names == ("country_north", "country_south", "country_unknown")
    with pytest.raises(ValidationError, match="would both be feature 'country_n_01': name them"):
        use_case(category("country", ["N/01", "N 01"]))


def test_a_declaration_that_is_kept_as_json_says_the_same() -> None:
    declared = use_case(category("country", ["DE"]), category("country", "learned"), learned=["country_code"])
    again = UseCase.model_validate_json(declared.model_dump_json())
    assert again == declared
    assert feature_contract_hash(again) == feature_contract_hash(declared)
    more = use_case(category("country", ["DE", "FR"]), category("country", "learned"), learned=["country_code"])
    assert feature_contract_hash(more) != feature_contract_hash(declared)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (category("land", ["DE"]), "no such column"),
        (category("price", [1]), "is float64: a category is text"),
        (category("country", [1]), "1 is no string"),
        (category("lane", ["1"]), "'1' is no int32"),
        (category("lane", [True]), "True is no int32"),
        (category("kind", ["nwe"]), "'nwe' is none of the values that 'kind' may have: new, old"),
        (category("country", []), "name the values"),
        (category("country", "all"), "values"),
        (category("country", ["x" * 70]), "longer than 63"),
        (category("country", ["unknown"]), "declared twice"),
    ],
)
def test_what_is_no_category_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        use_case(wrong)


def test_a_learned_category_is_read_as_one_or_not_at_all() -> None:
    learned = category("country", "learned")
    assert use_case(learned, learned=["country_code"]).features[0].learned_categories == ("country_code",)
    with pytest.raises(ValidationError, match="list it here, or it counts as an amount"):
        use_case(learned)
    forest = [*LINEAR, {"name": "forest", "kind": "random_forest"}]
    with pytest.raises(ValidationError, match="random_forest would take country_code for amounts"):
        use_case(learned, learned=["country_code"], learners=forest)
    without = [*LINEAR, {"name": "forest", "kind": "random_forest", "inputs": ["lane_1"]}]
    assert use_case(learned, category("lane", [1]), learned=["country_code"], learners=without)
