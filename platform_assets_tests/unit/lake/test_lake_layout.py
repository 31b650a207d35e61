"""Addresses of tables."""

import pytest

from platform_assets.lake.layout import LAYERS, RAW, table_uri


@pytest.mark.parametrize("root", ["/data/lake", "/data/lake/", "s3://bucket/lake//"])
def test_address_is_root_use_case_layer_table(root: str) -> None:
    assert table_uri(root, "card_fraud", RAW, "transactions") == f"{root.rstrip('/')}/card_fraud/raw/transactions"


def test_every_layer_has_an_address_of_its_own() -> None:
    assert len({table_uri("lake", "card_fraud", layer, "t") for layer in LAYERS}) == len(LAYERS)


@pytest.mark.parametrize(
    ("root", "use_case", "layer", "table", "said"),
    [
        ("", "card_fraud", "raw", "t", "root is empty"),
        ("lake", "Card Fraud", "raw", "t", "'Card Fraud'"),
        ("lake", "card_fraud", "bronze", "t", "'bronze'.*raw, clean"),
        ("lake", "card_fraud", "raw", "../t", "'../t'"),
        ("lake", "card_fraud", "raw", "", "table ''"),
    ],
)
def test_bad_parts_are_named(root: str, use_case: str, layer: str, table: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        table_uri(root, use_case, layer, table)
