"""Modes that score a topic: what each means for callers, and which topics fit."""

from typing import Any

import pytest
from pydantic import ValidationError

from platform_assets.declaration import UseCase
from platform_assets.testing.declare import declaration

TOPICS = {"brokers": "BROKERS", "events": "visits", "predictions": "scores"}


def declared(**serving: Any) -> UseCase:
    document = declaration(
        events={"visit": "int64", "at": "datetime", "speed": "float64"}, label="unpaid", features=["speed"]
    )
    document["serving"] = document["serving"] | serving
    return UseCase.model_validate(document)


@pytest.mark.parametrize(
    ("mode", "requests", "stream"),
    [("realtime", True, False), ("streaming", False, True), ("hybrid", True, True), ("batch", False, False)],
)
def test_each_mode_opens_its_doors(mode: str, requests: bool, stream: bool) -> None:
    case = declared(mode=mode, **({"stream": TOPICS} if stream else {}))
    assert (case.answers_requests, case.scores_stream, case.is_realtime) == (requests, stream, mode != "batch")
    if case.serving.stream is not None:
        assert case.serving.stream.topics == ("visits", "scores", "scores.dead-letters")


@pytest.mark.parametrize(
    ("serving", "message"),
    [
        ({"mode": "streaming"}, "mode streaming needs it"),
        ({"mode": "hybrid"}, "mode hybrid needs it"),
        ({"stream": TOPICS}, "`serving.mode` streaming and hybrid; declared is realtime"),
        ({"mode": "batch", "stream": TOPICS}, "`serving.mode` streaming and hybrid; declared is batch"),
        ({"mode": "hybrid", "stream": TOPICS | {"predictions": "visits"}}, "need a topic each"),
        ({"mode": "hybrid", "stream": TOPICS | {"dead_letters": "scores"}}, "need a topic each"),
        ({"mode": "hybrid", "stream": TOPICS | {"events": "visits and more"}}, "should match pattern"),
        ({"mode": "hybrid", "stream": TOPICS | {"brokers": "host:9092"}}, "should match pattern"),
    ],
)
def test_topics_that_do_not_fit_are_refused(serving: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        declared(**serving)
