"""The command: what is asked for as a world, and how it ended.

Belongs here: these. Does not belong here: the world (`world.py`), or its days (`driver.py`).
"""

from __future__ import annotations

import signal
from pathlib import Path
from types import FrameType
from typing import NoReturn

from platform_assets.cli.live.driver import run_live
from platform_assets.cli.live.screen import print_story
from platform_assets.cli.live.world import Wish, make_world
from platform_assets.declaration.loader import declared_use_cases
from platform_assets.extras import NeededExtra, require_extras
from platform_assets.settings import Settings


def live_through(name: str, wish: Wish, ui_port: int | None, pictures: Path | None = None) -> bool:
    """Let a world go by; whether it showed what it was made for.

    Args:
        name: of the use case.
        wish: what world.
        ui_port: of Dagster's web UI; None for none.
        pictures: a folder for pictures of the page before, while and after the drift is there; None for none.

    Raises:
        ExtraMissing: a web UI is asked for that is not installed.
        LiveWorldError: it cannot begin, or one of its processes ended.
        RunFailed: the first model was not made.
    """
    settings = Settings.from_environment()
    if ui_port is not None:
        require_extras([NeededExtra("ui", "--ui-port")])
    [declared] = declared_use_cases(name)
    world = make_world(declared.use_case, settings, wish)
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a shell's background ignores it, and Dagster has SIGTERM do the same
    signal.signal(signal.SIGTERM, _as_interrupted)
    story = run_live(declared, world, world.environment(settings.simulation), ui_port, pictures)
    print_story(story)
    return story.is_as_expected


def _as_interrupted(number: int, frame: FrameType | None) -> NoReturn:
    """Whoever ends the command ends what it started."""
    raise KeyboardInterrupt
