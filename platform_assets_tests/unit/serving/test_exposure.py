"""What is logged of a request while an A/B test runs: the variant only where proxy and service agree on it."""

from pathlib import Path

import pytest

from platform_assets.declaration.names import EXPERIMENT_HEADER, VARIANT_HEADER
from platform_assets.experiments.assignment import Variant, assign, split_of
from platform_assets_tests.serving.parking import EVENT

from .test_app import SCORE, Served

SPLIT = split_of("parking", "newer_model", "lot", 0.8, 0.5)


def lot_of(variant: Variant | None) -> int:
    return next(number for number in range(1, 200) if assign(SPLIT, str(number)) is variant)


CASES = [
    ("treatment", Variant.TREATMENT, "treatment", "treatment"),
    ("control", Variant.CONTROL, "control", "control"),
    ("outside", None, None, "outside"),
    # The proxy could not read it: part of neither side, whatever its entity has.
    ("undecided", Variant.TREATMENT, None, "undecided"),
    ("undecided", Variant.CONTROL, None, "undecided"),
    ("undecided", None, None, "outside"),
    ("treatment", Variant.CONTROL, None, "disagreed"),
    ("no_entity", Variant.TREATMENT, None, "disagreed"),
    ("", Variant.TREATMENT, None, "disagreed"),
]


@pytest.mark.parametrize(("claimed", "entity", "logged", "outcome"), CASES)
def test_the_service_is_the_judge(
    tmp_path: Path, claimed: str, entity: Variant | None, logged: str | None, outcome: str
) -> None:
    served = Served(tmp_path)
    headers = {EXPERIMENT_HEADER: SPLIT.header(), VARIANT_HEADER: claimed}
    assert served.client.post(SCORE, json=EVENT | {"lot": lot_of(entity)}, headers=headers).status_code == 200
    (line,) = served.logged()
    assert (line["experiment"], line["variant"]) == ("newer_model", logged)
    assert served.metric("experiment_requests_total", outcome=outcome) == 1


def test_the_entity_may_lack(tmp_path: Path) -> None:
    served = Served(tmp_path)
    split = split_of("parking", "newer_model", "plate", 1.0, 0.5)
    headers = {EXPERIMENT_HEADER: split.header(), VARIANT_HEADER: "no_entity"}
    assert served.client.post(SCORE, json=EVENT, headers=headers).status_code == 200
    (line,) = served.logged()
    assert (line["experiment"], line["variant"]) == ("newer_model", None)
    assert served.metric("experiment_requests_total", outcome="no_entity") == 1


@pytest.mark.parametrize("headers", [{}, {EXPERIMENT_HEADER: "nonsense"}, {VARIANT_HEADER: "treatment"}])
def test_nothing_is_logged_while_no_test_runs(tmp_path: Path, headers: dict[str, str]) -> None:
    served = Served(tmp_path)
    assert served.client.post(SCORE, json=EVENT, headers=headers).status_code == 200
    (line,) = served.logged()
    assert (line["experiment"], line["variant"]) == (None, None)
