"""A command on a terminal of its own: what a person sees, and what a person types.

Belongs here: a pseudo-terminal for tests and benchmarks of conversations. Does not belong here: what is asked.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType

ELSEWHERE = """
import sys, platform_assets
platform_assets.__file__ = sys.argv.pop(1)
from platform_assets.cli import app
sys.argv[0] = "platform-assets"
app()
"""
"""`platform-assets` with its use cases in another folder, beside the file that is its first argument."""


class TerminalError(AssertionError):
    """The command did not say what was waited for."""


def _take_terminal() -> None:
    """Make it the command's own terminal, so that keys such as Ctrl-C reach it as signals."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell starts what runs behind it with the signal ignored


class Terminal:
    """A running command, its screen and its keys."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], folder: str | None = None) -> None:
        """Start a command.

        Args:
            command: with its arguments.
            environment: of the command.
            folder: that it runs in.
        """
        self._own, theirs = pty.openpty()
        self._process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=dict(environment),
            cwd=folder,
            start_new_session=True,
            preexec_fn=_take_terminal,
        )
        os.close(theirs)
        self.screen = ""
        self._seen = 0

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._own)

    def wait_for(self, text: str, seconds: float = 60) -> str:
        """Everything on the screen since the last wait, up to a text.

        Raises:
            TerminalError: it did not come.
        """
        end = time.monotonic() + seconds
        while (place := self.screen.find(text, self._seen)) < 0:
            if time.monotonic() > end or not self._read(0.2):
                raise TerminalError(f"{text!r} did not come; the screen ends with:\n{self.screen[-3000:]}")
        shown = self.screen[self._seen : place + len(text)]
        self._seen = place + len(text)
        return shown

    def prompts(self, pattern: re.Pattern[str], seconds: float = 300) -> Iterator[re.Match[str]]:
        """Each prompt that the screen ends with, until the command is over; what is typed in between answers it.

        Raises:
            TerminalError: the command went on for longer without one.
        """
        end = time.monotonic() + seconds
        while self._read(0.2):
            found = pattern.search(self.screen.replace("\r", ""), self._seen)
            if found is not None:
                self._seen = found.end()
                yield found
            elif time.monotonic() > end:
                raise TerminalError(f"no prompt; the screen ends with:\n{self.screen[-3000:]}")

    def type(self, keys: str) -> None:
        """Type keys; a line ends with a line feed."""
        os.write(self._own, keys.encode())

    def end(self, seconds: float = 120) -> int:
        """The exit code of the command, once it is over."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self._read(0.2):
            pass
        return self._process.wait(max(1.0, end - time.monotonic()))

    def _read(self, seconds: float) -> bool:
        """Take what is there; false once the command has ended and all was read."""
        ready, _, _ = select.select([self._own], [], [], seconds)
        if not ready:
            return self._process.poll() is None
        try:
            data = os.read(self._own, 1 << 16)
        except OSError:
            return False  # Linux says so when the other side is closed
        self.screen += data.decode(errors="replace")
        return bool(data)
