"""A version in shadow sees what the live one sees of a request, whenever its copy comes."""

from datetime import timedelta
from random import Random
from typing import Any

import numpy as np
import pytest

from platform_assets.features.online.feast_connection import FeastSettings
from platform_assets.features.online.request_features import OnlineFeatures
from platform_assets.features.online.store import apply
from platform_assets_tests.unit.features.histories import MIDNIGHT, use_case

CASE = use_case()
REQUESTS = 1000
CARDS = 60


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> FeastSettings:
    home = tmp_path_factory.mktemp("home")
    store = {"type": "sqlite", "path": str(home / "online.db")}
    made = FeastSettings(project="payments", registry=f"sqlite:///{home}/r.db", online_store=store, home=str(home))
    apply(CASE, made)
    return made


def test_a_thousand_copies_give_the_same_bits_and_those_with_an_event_in_between_are_known(
    settings: FeastSettings,
) -> None:
    """The copy is looked up by another process: before the live look-up, after it, once the event is announced, or recorded."""
    live, shadow, random = OnlineFeatures(CASE, settings), OnlineFeatures(CASE, settings), Random(15)
    unlike, cards, apart = list[int](), list[int](), 0
    late: list[tuple[dict[str, Any], Any]] = []
    for number in range(REQUESTS):
        moment = MIDNIGHT + timedelta(days=7, seconds=number)
        card, amount = 50_000 + random.randrange(CARDS), round(random.random() * 100, 2)
        event = {"payment_id": number, "paid_at": moment, "card_id": card, "shop_id": card, "amount": amount}
        place = random.choice(["before", "announced", "recorded", "later"])
        copy = shadow.vector(event) if place == "before" else None
        given = live.vector(event)
        assert live.announce(event, given.mark)
        if place == "announced":
            copy = shadow.vector(event)
        live.record(event)
        if place == "recorded":
            copy = shadow.vector(event)
        if copy is None:
            late.append((event, given))
        else:
            unlike += [number] if not same(copy, given) else []
        cards.append(card)
        while late and number - late[0][0]["payment_id"] >= 4:  # a copy that comes after other events
            waiting, answered = late.pop(0)
            if waiting["card_id"] in cards[waiting["payment_id"] + 1 :]:
                apart += 1  # an event of the same card came in between: the two look-ups may rightly differ
            elif not same(shadow.vector(waiting), answered):
                unlike.append(waiting["payment_id"])
    assert unlike == []
    assert 0 < apart < REQUESTS / 10


def same(one: Any, other: Any) -> bool:
    return bool(
        np.array_equal(one.values, other.values, equal_nan=True)
        and one.values.tobytes() == other.values.tobytes()
        and one.unknown_entities == other.unknown_entities
    )
