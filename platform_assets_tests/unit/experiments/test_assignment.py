"""Assignment sticks to an entity, grows without moving anybody, and is another one for every experiment."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, chisquare

from platform_assets.experiments.assignment import (
    BUCKETS,
    Split,
    Variant,
    assign,
    bucket,
    canonical_text,
    murmur3,
    split_from_header,
    split_of,
)

TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)
RATIOS = st.floats(0.0001, 1.0)


def split(name: str = "newer_model", traffic: float = 1.0, treatment: float = 0.5) -> Split:
    return split_of("parking", name, "lot", traffic, treatment)


@pytest.mark.parametrize(
    ("data", "hashed"),
    [(b"", 0), (b"test", 0xBA6BD213), (b"Hello, world!", 0xC0363E43), (b"The quick brown fox jumps over the lazy dog", 0x2E4FF723)],
)  # fmt: skip
def test_the_hash_is_the_published_one(data: bytes, hashed: int) -> None:
    assert murmur3(data) == hashed


def test_an_assignment_never_changes_between_versions_of_this_code() -> None:
    """Whoever changes it deals running experiments anew."""
    given = [assign(split(traffic=0.8), text) for text in ("1", "2", "3", "4", "5", "6", "é", "")]
    assert [None if variant is None else variant.value for variant in given] == EXPECTED


EXPECTED = ["control", "treatment", "control", "treatment", "control", "treatment", None, "treatment"]


@settings(max_examples=200, deadline=None)
@given(TEXTS, RATIOS, RATIOS, st.floats(0.01, 0.99))
def test_more_traffic_adds_entities_and_moves_none(text: str, one: float, other: float, treatment: float) -> None:
    less, more = sorted((one, other))
    before, after = (
        assign(split(traffic=less, treatment=treatment), text),
        assign(split(traffic=more, treatment=treatment), text),
    )
    assert before is None or after is before


@settings(max_examples=200, deadline=None)
@given(TEXTS, st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_a_larger_treatment_share_moves_entities_in_one_direction_only(text: str, one: float, other: float) -> None:
    less, more = sorted((one, other))
    if assign(split(treatment=less), text) is Variant.TREATMENT:
        assert assign(split(treatment=more), text) is Variant.TREATMENT


@settings(max_examples=50, deadline=None)
@given(st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True), RATIOS, st.floats(0.01, 0.99))
def test_the_header_carries_the_split(name: str, traffic: float, treatment: float) -> None:
    declared = split_of("parking", name, "lot", traffic, treatment)
    assert split_from_header("parking", declared.header()) == declared


@pytest.mark.parametrize("text", ["", "a;b", "a;lot;x;5000", "a;lot;10000;-1", "a;lot;1;2;3"])
def test_text_that_is_no_split_is_none(text: str) -> None:
    assert split_from_header("parking", text) is None


def test_shares_are_kept_and_two_experiments_treat_independent_entities() -> None:
    texts = [str(number) for number in range(20_000)]
    one = np.array([assign(split("one"), text) is Variant.TREATMENT for text in texts])
    other = np.array([assign(split("other"), text) is Variant.TREATMENT for text in texts])
    part = np.array([assign(split("one", traffic=0.3), text) is not None for text in texts])
    small = np.array([assign(split("one", treatment=0.1), text) is Variant.TREATMENT for text in texts])
    for first, second in ((one, other), (one, part), (other, part)):
        table = [[np.sum(first & second), np.sum(first & ~second)], [np.sum(~first & second), np.sum(~first & ~second)]]
        assert chi2_contingency(table).pvalue > 1e-3
    for found, share in ((one, 0.5), (other, 0.5), (part, 0.3), (small, 0.1)):
        assert abs(found.mean() - share) < 4 * (share * (1 - share) / len(texts)) ** 0.5
    counts = np.bincount([bucket(text) * 100 // BUCKETS for text in texts], minlength=100)
    assert chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize(
    ("value", "text"), [(1, "1"), (-7, "-7"), (2**63 - 1, "9223372036854775807"), ("1", "1"), ("", ""), ("é", "é")]
)  # fmt: skip
def test_text_of_strings_and_whole_numbers(value: object, text: str) -> None:
    assert canonical_text(value) == text


@pytest.mark.parametrize("value", [None, True, 1.5, 1.0, [1], {"lot": 1}])
def test_other_values_name_no_entity(value: object) -> None:
    assert canonical_text(value) is None
