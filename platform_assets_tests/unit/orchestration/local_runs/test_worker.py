"""Which process works on a run, and what it died of.

Belongs here: real processes, without Dagster. Does not belong here: runs (`test_killed_runs.py`).
"""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

import psutil
import pytest

from platform_assets.deployment.causes import CauseKind, RetryAdvice
from platform_assets.orchestration.local_runs.worker import IDENTITY_TAG, WORKER_TAG, Worker

RUN = "6d8f1c4e-0000-4000-8000-000000000000"
SLEEPER = "import subprocess, time; print(subprocess.Popen(['sleep', '600']).pid, flush=True); time.sleep(600)"


@pytest.fixture
def process() -> Iterator[subprocess.Popen[str]]:
    one = subprocess.Popen([sys.executable, "-c", SLEEPER], stdout=subprocess.PIPE, text=True, start_new_session=True)
    yield one
    Worker.of(RUN, one.pid).end()
    one.kill()
    one.communicate()


def test_it_is_known_again_by_its_tag_and_by_no_other_runs(process: subprocess.Popen[str]) -> None:
    worker = Worker.of(RUN, process.pid)
    assert worker.lives
    assert worker.is_here
    assert Worker.read(worker.tags, RUN) == worker
    assert Worker.read(worker.tags, "another") is None, "a retry has taken the tags over"
    assert Worker.read({}, RUN) is None
    for text in ("{}", "no JSON"):
        assert Worker.read({IDENTITY_TAG: text}, RUN) is None


def test_people_read_which_process_it_is_and_no_json(process: subprocess.Popen[str]) -> None:
    from dagster._core.storage.tags import TagType, get_tag_type

    tags = Worker.of(RUN, process.pid).tags
    shown = {name: text for name, text in tags.items() if get_tag_type(name) is not TagType.HIDDEN}
    assert shown == {WORKER_TAG: f"process {process.pid} on {socket.gethostname()}"}


def test_a_run_that_an_earlier_version_started_is_known_too(process: subprocess.Popen[str]) -> None:
    worker = Worker.of(RUN, process.pid)
    assert Worker.read({WORKER_TAG: worker.tags[IDENTITY_TAG]}, RUN) == worker


def test_a_process_that_has_its_number_is_not_taken_for_it(process: subprocess.Popen[str]) -> None:
    worker = Worker.of(RUN, process.pid)
    for other in (replace(worker, started=worker.started - 60), replace(worker, boot="before")):
        assert not other.lives
        assert other.end() == []
        assert not other.interrupt()
    assert worker.lives


def test_one_that_ended_and_was_not_waited_for_does_not_live(process: subprocess.Popen[str]) -> None:
    worker = Worker.of(RUN, process.pid)
    process.kill()
    deadline = time.monotonic() + 30
    while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not worker.lives


def test_what_it_leaves_behind_is_ended(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    child, worker = int(process.stdout.readline()), Worker.of(RUN, process.pid)
    process.kill()
    process.wait()
    assert worker.end() == [child]


@pytest.mark.parametrize(
    ("exit_code", "kind", "words"),
    [
        (-9, CauseKind.KILLED, "was ended by signal 9 (SIGKILL)"),
        (None, CauseKind.KILLED, "is gone, and so is what had started it"),
        (1, CauseKind.CRASH, "ended with exit code 1 before the run did"),
    ],
)
def test_a_death_has_its_cause(exit_code: int | None, kind: CauseKind, words: str) -> None:
    cause = Worker.of(RUN, 2**22 + 1).death(exit_code)
    assert cause.kind == kind
    assert words in cause.sentence
    assert cause.retry == (RetryAdvice.NEVER if kind == CauseKind.CRASH else RetryAdvice.UNCHANGED)


def test_a_machine_that_was_started_anew_is_the_cause_itself() -> None:
    cause = replace(Worker.of(RUN, 1), boot="before").death()
    assert cause.kind == CauseKind.MACHINE_OFF
    assert cause.retry == RetryAdvice.UNCHANGED
