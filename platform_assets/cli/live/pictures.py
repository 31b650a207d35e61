"""Pictures of the page of a use case before, while and after a drift is there, as a browser without a window shows it.

Belongs here: when one is taken of a live world, and taking it. Does not belong here: what stands on the page
(`monitoring/use_case_page/`).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from platform_assets.cli.live.world import LiveWorldError

Moment = Literal["before", "during", "after"]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WIDTH_PIXELS, HEIGHT_PIXELS = 1100, 1250
COLOURS = 128
"""Of a picture: a page of text and lines has few, and the file is a third of its size."""
MOST_SECONDS = 60.0


@dataclass
class Album:
    """The pictures of one world, one of each moment.

    Attributes:
        folder: where they go.
        make_page: writes the page anew, and says where.
        browser: a command.
        taken: the moments that there is a picture of.
    """

    folder: Path
    make_page: Callable[[], Path]
    browser: str
    taken: set[Moment] = field(default_factory=set)

    def take(self, moment: Moment) -> None:
        """Take the picture of a moment, unless there is one already."""
        if moment in self.taken:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        take_picture(self.make_page(), self.folder / f"live_{moment}.png", self.browser)
        self.taken.add(moment)


def installed_browser() -> str:
    """The command of a browser.

    Raises:
        LiveWorldError: there is none.
    """
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        raise LiveWorldError(f"pictures need one of {', '.join(BROWSERS)}: install chromium, or leave out --pictures")
    return found


def take_picture(page: Path, picture: Path, browser: str) -> None:
    """Take a picture of the upper part of a page.

    Args:
        page: an HTML file.
        picture: a PNG file.
        browser: a command.

    Raises:
        LiveWorldError: the browser took none.
    """
    with tempfile.TemporaryDirectory() as scratch:
        taken = Path(scratch) / "page.png"
        command = [browser, "--headless", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={scratch}/profile"]
        command += ["--no-sandbox"] if os.geteuid() == 0 else []  # it does not start for root with one
        command += [f"--window-size={WIDTH_PIXELS},{HEIGHT_PIXELS}", f"--screenshot={taken}", page.absolute().as_uri()]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=MOST_SECONDS, check=False)
        except subprocess.TimeoutExpired as error:
            raise LiveWorldError(f"{browser} took no picture of {page} within {MOST_SECONDS:.0f} s") from error
        if not taken.is_file():
            raise LiveWorldError(f"{browser} took no picture of {page}: {done.stderr.strip()[-400:]}")
        _with_few_colours(taken, picture)


def _with_few_colours(taken: Path, picture: Path) -> None:
    from PIL import Image

    with Image.open(taken) as image:
        image.convert("RGB").quantize(COLOURS).save(picture, optimize=True)
