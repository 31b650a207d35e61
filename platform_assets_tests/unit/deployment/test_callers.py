"""Tokens and certificates of callers: what can be used, and that no token is shown."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from platform_assets.cli.hidden_values import hidden_values
from platform_assets.declaration.sections.callers import Callers
from platform_assets.deployment.callers import (
    UNCHECKED,
    CallersUnusable,
    in_words,
    load_access,
    make_access,
    parse_tokens,
    problems_of,
    read_tokens,
)
from platform_assets.installation import Installation
from platform_assets.settings import SettingsError

TOKEN, OTHER = "a-token-of-checkout-1", "a-token-of-checkout-2"
PREFIX = "PLATFORM_ASSETS_"


def environment(home: Path, **settings: Any) -> dict[str, str]:
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in settings.items()}
    return {f"{PREFIX}{name.upper()}": text for name, text in texts.items()} | {f"{PREFIX}HOME": str(home)}


def test_settings_give_access_and_show_no_token(tmp_path: Path) -> None:
    file = tmp_path / "tokens.json"
    file.write_text(json.dumps({"checkout": OTHER}))
    file.chmod(0o600)
    given = environment(tmp_path, callers="on", caller_tokens={"checkout": TOKEN}, caller_tokens_file=str(file))
    installation = Installation.from_environment(given)
    access = installation.serving.callers
    assert access is not None
    assert list(access.known_tokens()) == [("checkout", TOKEN), ("checkout", OTHER)]
    shown = repr(access) + str(access) + repr(installation.settings) + repr(installation.serving)
    assert TOKEN not in shown
    assert OTHER not in shown
    assert TOKEN in hidden_values(given)


def test_without_a_word_nothing_changes_and_nothing_is_checked_at_first(tmp_path: Path) -> None:
    given = environment(tmp_path, caller_tokens={"checkout": TOKEN})
    assert Installation.from_environment(given).serving.callers is None
    assert load_access(tmp_path / "callers.json") == UNCHECKED
    assert "PLATFORM_ASSETS_CALLERS=on" in in_words(UNCHECKED, {"parking": Callers()})


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"callers": "perhaps"}, "PLATFORM_ASSETS_CALLERS"),
        ({"callers": "on", "caller_tokens": f"secret-{TOKEN}"}, "CALLER_TOKENS is not JSON of the form"),
        ({"callers": "on", "caller_tokens": [TOKEN]}, "CALLER_TOKENS is not JSON of the form"),
        ({"callers": "on", "caller_tokens": {"checkout": "short"}}, "a token of checkout has not 16"),
        ({"callers": "on", "caller_tokens": {"checkout": f"{TOKEN} and a blank"}}, "a token of checkout has not 16"),
        ({"callers": "on", "caller_tokens": {"a": TOKEN, "b": TOKEN}}, "a and b have the same token"),
        ({"callers": "on", "caller_tokens": {"platform": TOKEN}}, "no caller may be called platform"),
        ({"callers": "on", "caller_tokens_file": "/nowhere/tokens.json"}, "cannot be read"),
        ({"callers": "on", "caller_tls": {"certificate": "/nowhere", "key": "/nowhere"}}, "absolute path of a file"),
    ],
)
def test_what_cannot_be_used_is_named_and_not_shown(tmp_path: Path, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError) as refused:
        _ = Installation.from_environment(environment(tmp_path, **settings)).serving
    assert words in str(refused.value)
    assert TOKEN not in str(refused.value)
    assert refused.value.__cause__ is None or TOKEN not in repr(refused.value.__cause__)


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "tokens.json"
    file.write_text(json.dumps({"checkout": [TOKEN]}))
    file.chmod(0o640)
    with pytest.raises(CallersUnusable, match="chmod 600"):
        read_tokens(file, "PLATFORM_ASSETS_CALLER_TOKENS_FILE")
    file.chmod(0o600)
    assert read_tokens(file, "X") == {"checkout": [TOKEN]}


def test_what_locks_every_caller_out_is_a_problem_with_what_to_do() -> None:
    required = {"parking": Callers(), "fraud": Callers(auth="mtls"), "open": Callers(auth="none")}
    token, certificate = problems_of(make_access(True, {}, None), required)
    assert "callers of parking need a token" in token
    assert "PLATFORM_ASSETS_CALLER_TOKENS_FILE" in token
    assert "callers of fraud need a certificate" in certificate
    assert (
        problems_of(make_access(True, parse_tokens(json.dumps({"a": TOKEN}), ""), None), {"parking": Callers()}) == ()
    )
    assert problems_of(UNCHECKED, required) == ()


@pytest.mark.parametrize(
    "declared",
    [
        {"auth": "password"},
        {"requests_per_second": 0},
        {"burst": 10},
        {"most_body_bytes": 2**20 + 1},
        {"own": {"a caller": {}}},
        {"own": {"a": {"burst": 2}}},
    ],
)
def test_limits_that_cannot_be_meant_are_refused(declared: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Callers.model_validate(declared)
