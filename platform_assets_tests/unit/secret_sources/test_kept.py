"""When secrets are read again, and what counts while they cannot be."""

from __future__ import annotations

import pickle

import pytest

from platform_assets.secret_sources.base import SecretBundle
from platform_assets.secret_sources.errors import SecretError, SecretsDenied, SecretsExpired, SecretsUnreachable
from platform_assets.secret_sources.kept import KeptSecrets
from platform_assets.secret_sources.present import PresentOptions
from platform_assets.secret_sources.registry import parse_source


class Source:
    place = "a source"

    def __init__(self, valid_seconds: float | None = None) -> None:
        self.reads, self.now, self.valid_seconds = 0, 0.0, valid_seconds
        self.fails: SecretError | None = None

    def clock(self) -> float:
        return self.now

    def read(self) -> SecretBundle:
        self.reads += 1
        if self.fails is not None:
            raise self.fails
        return SecretBundle({"NAME": f"value {self.reads}"}, str(self.reads), self.valid_seconds)


def test_values_are_kept_for_a_while_and_then_read_again() -> None:
    source = Source()
    kept = KeptSecrets(source, 60, source.clock)
    assert kept.seen == {}
    assert kept.values() == kept.values() == {"NAME": "value 1"}
    source.now = 59.9
    assert kept.values() == {"NAME": "value 1"}
    source.now = 60
    assert kept.values() == kept.seen == {"NAME": "value 2"}


def test_a_lease_is_read_again_well_before_it_ends() -> None:
    source = Source(valid_seconds=30)
    kept = KeptSecrets(source, 3600, source.clock)
    kept.values()
    source.now = 19
    assert kept.values() == {"NAME": "value 1"}
    source.now = 21
    assert kept.values() == {"NAME": "value 2"}


def test_whoever_was_refused_gets_newer_ones_but_not_a_hundred_times_a_second() -> None:
    source = Source()
    kept = KeptSecrets(source, 3600, source.clock)
    kept.values()
    for source.now in (0.1, 0.2, 1.0):
        assert kept.renewed() == kept.values() == {"NAME": "value 2"}
    source.now = 1.2
    assert kept.renewed() == {"NAME": "value 3"}


def test_an_outage_costs_nothing_until_the_lease_ends(caplog: pytest.LogCaptureFixture) -> None:
    source = Source(valid_seconds=30)
    kept = KeptSecrets(source, 10, source.clock)
    kept.values()
    source.fails = SecretsUnreachable("nobody answers")
    for source.now in (11.0, 12.0, 13.0, 17.0, 29.9):
        assert kept.values() == {"NAME": "value 1"}
    assert source.reads == 4, "it is not asked each time"
    assert "nobody answers" in caplog.text
    source.now = 30.0
    with pytest.raises(SecretsExpired, match=r"a source.*nobody answers"):
        kept.values()
    source.fails = None
    assert kept.values() == {"NAME": f"value {source.reads}"}


def test_what_was_never_had_is_not_made_up() -> None:
    source = Source()
    source.fails = SecretsDenied("no")
    kept = KeptSecrets(source, 10, source.clock)
    for _ in range(2):
        with pytest.raises(SecretsDenied):
            kept.values()


def test_options_follow_and_are_plain_in_another_process() -> None:
    source = Source()
    kept = KeptSecrets(source, 10, source.clock)
    options = PresentOptions(kept, lambda: {"AWS_SECRET_ACCESS_KEY": kept.values()["NAME"], "AWS_REGION": "eu"})
    assert {"AWS_ALLOW_HTTP": "true", **options}["AWS_SECRET_ACCESS_KEY"] == "value 1"
    assert "value" not in repr(options)
    source.now = 11
    assert dict(options) == {"AWS_SECRET_ACCESS_KEY": "value 2", "AWS_REGION": "eu"}
    assert pickle.loads(pickle.dumps(options)) == {"AWS_SECRET_ACCESS_KEY": "value 2", "AWS_REGION": "eu"}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("vault", "is not JSON"),
        ('{"kind": "keychain"}', "is one of env, file, vault"),
        ("[1]", "is one of env, file, vault"),
        ('{"kind": "file"}', "name either `folder`"),
        ('{"kind": "file", "folder": "relative"}', "not an absolute path"),
        ('{"kind": "aws"}', "name a secret"),
        (
            '{"kind": "vault", "address": "http://v", "login": {"method": "approle", "role_id": "r"}, "path": "p"}',
            "secret_id_file",
        ),
        (
            '{"kind": "vault", "address": "http://user:canary@v", "login": {"method": "token", "token_file": "/t"}, "path": "p"}',
            "address",
        ),
        ('{"kind": "azure", "vault": "https://v", "document": "d", "password": "canary"}', "password"),
        ('{"kind": "gcp", "project": "p", "document": "d", "refresh_seconds": 0}', "refresh_seconds"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(text: str, what: str) -> None:
    with pytest.raises(SecretError, match="SETTING") as refused:
        parse_source(text, "SETTING")
    assert what in str(refused.value)
    assert "canary" not in str(refused.value)
