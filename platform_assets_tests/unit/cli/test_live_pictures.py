"""Pictures of a live world's page: one of each moment, made smaller, and an error that says why there is none."""

import stat
import sys
from pathlib import Path

import pytest

from platform_assets.cli.live.pictures import BROWSERS, Album, installed_browser, take_picture
from platform_assets.cli.live.world import LiveWorldError

TAKES = """
from PIL import Image
target = next(one.partition("=")[2] for one in sys.argv if one.startswith("--screenshot="))
assert sys.argv[-1].startswith("file:///"), sys.argv
Image.effect_noise((300, 300), 50).convert("RGB").save(target)
"""


def browser(folder: Path, does: str, name: str = "browser") -> Path:
    """A command that stands in for a browser."""
    path = folder / name
    path.write_text(f"#!{sys.executable}\nimport sys\n{does}")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_one_picture_of_each_moment_is_taken_of_the_page_as_it_is_then(tmp_path: Path) -> None:
    made: list[str] = []

    def page() -> Path:
        made.append("page")
        return tmp_path / "page.html"

    album = Album(tmp_path / "pictures", page, str(browser(tmp_path, TAKES)))
    album.take("before")
    album.take("during")
    album.take("during")
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == ["live_before.png", "live_during.png"]
    assert len(made) == 2


def test_a_browser_that_takes_none_is_named_with_what_it_said(tmp_path: Path) -> None:
    dead = browser(tmp_path, "print('no display', file=sys.stderr)")
    with pytest.raises(LiveWorldError, match=r"page\.html: no display"):
        take_picture(tmp_path / "page.html", tmp_path / "picture.png", str(dead))
    assert not (tmp_path / "picture.png").exists()


def test_without_a_browser_the_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LiveWorldError, match="install chromium"):
        installed_browser()
    expected = browser(tmp_path, TAKES, BROWSERS[1])
    assert installed_browser() == str(expected)
