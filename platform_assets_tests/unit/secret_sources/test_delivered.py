"""Secrets in a folder: whole, private, and changed all at once."""

from __future__ import annotations

import stat
from pathlib import Path
from threading import Event

import pytest

from platform_assets.features.online.credentials import ONLINE_STORE, REGISTRY, redis_login, with_credentials
from platform_assets.pipelines.keep_secrets import keep_secrets
from platform_assets.secret_sources.delivered import deliver, delivered
from platform_assets.secret_sources.errors import SecretsMissing, SecretsUnreachable
from platform_assets.secret_sources.files import FileSource
from platform_assets.secret_sources.kept import KeptSecrets


def test_what_is_written_is_its_owners_and_is_read_back(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "secrets"
    assert deliver({"USER": "a", "PASSWORD": "b"}, folder)
    assert not deliver({"USER": "a", "PASSWORD": "b"}, folder), "nothing changed"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "PASSWORD").stat().st_mode) == 0o600
    assert (folder / "PASSWORD").read_text() == "b"
    assert dict(FileSource(folder).read().values) == {"USER": "a", "PASSWORD": "b"}
    assert deliver({"PASSWORD": "c"}, folder)
    assert delivered(folder) == {"PASSWORD": "c"}
    assert dict(FileSource(folder).read().values) == {"PASSWORD": "c"}
    assert sorted(path.name for path in folder.iterdir() if not path.name.startswith("..")) == ["PASSWORD"]
    assert len(list(folder.glob("..made-*"))) == 1, "no old value stays"


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SecretsUnreachable, match="file"):
        deliver({"USER": "a"}, tmp_path / "file")


def test_a_folder_is_kept_as_the_source_is_and_stays_while_it_is_away(tmp_path: Path) -> None:
    place, folder, stopped = tmp_path / "source", tmp_path / "to", Event()
    deliver({"A": "1", "B": "2"}, place)
    kept = KeptSecrets(FileSource(place), refresh_seconds=0.0)
    written = keep_secrets(kept, folder, ("A",), stopped)
    assert next(written) == ("A",)
    assert delivered(folder) == {"A": "1"}
    with pytest.raises(SecretsMissing, match="NO_SUCH"):
        next(keep_secrets(kept, folder, ("NO_SUCH",), stopped))
    deliver({"A": "3"}, place)
    assert next(written) == ("A",)
    assert delivered(folder) == {"A": "3"}
    stopped.set()
    assert list(written) == []


def test_a_service_reads_what_its_settings_leave_out(tmp_path: Path) -> None:
    deliver(
        {
            REGISTRY: "sqlite:///r.db",
            ONLINE_STORE: '{"type": "redis", "connection_string": "h:1,username=u,password=p"}',
        },
        tmp_path,
    )
    given = {"project": "p", "home": "/h", "registry": "", "online_store": {}, "credentials": str(tmp_path)}
    read = with_credentials(given)
    assert read["registry"] == "sqlite:///r.db"
    assert redis_login(read["online_store"]) == ("u", "p")
    assert with_credentials({"registry": "x"}) == {"registry": "x"}
    beside = with_credentials(given | {"registry": "sqlite:///own.db"})
    assert beside["registry"] == "sqlite:///own.db"


def test_a_login_without_a_user_and_one_without_a_password() -> None:
    assert redis_login({"connection_string": "h:1,password=p=q"}) == (None, "p=q")
    assert redis_login({"type": "sqlite"}) == (None, None)
