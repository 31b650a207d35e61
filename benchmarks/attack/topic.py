"""A service under attack and in accidents: who is answered meanwhile, what is logged, and whether `status` says so.

Belongs here: the order of the attacks, their bars. Does not belong here: the attacks themselves (`bad_callers.py`, `accidents.py`).
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from benchmarks.attack import accidents
from benchmarks.attack.good_callers import Outcome
from benchmarks.attack.scene import PROCESSES, RATE_PER_SECOND, Scene, under_good_load
from benchmarks.common.deployed import DeployedUseCase
from benchmarks.common.report import Bar, Topic
from platform_assets.testing.child_process import run_child

BAD_CALLERS = "benchmarks.attack.bad_callers"
LEAST_ANSWERED = 0.999
MENDED_SECONDS = 60.0
SEEN_SECONDS = 5.0
HOW = (
    f"The deployed release once more, {PROCESSES} processes behind the proxy on loopback, its log on a disk of its own in "
    f"memory. {RATE_PER_SECOND:.0f} good requests a second go on all the while, from two connections; nothing is sent twice. "
    "Answered are those with status 200. `status` is what `platform-assets status` finds while the accident lasts, or right "
    "after the attack. While the log's disk is full and the store is gone, no request can be answered rightly: there the answer "
    "is a refusal, and what was answered has to stand in the log all the same. Those phases are counted from "
    f"{SEEN_SECONDS:.0f} s after they began."
)

_SCRATCH = re.compile(r"/\S*?/home/")
"""The scratch folder's home: a report says nothing of this machine's paths."""


@dataclass(frozen=True)
class Phase:
    """One attack or accident.

    Attributes:
        title: what was done.
        outcomes: good requests sent meanwhile.
        must_answer: whether good requests are to be answered all the while, or to be refused.
        status: what the check found while it lasted.
        status_right: whether that is what good callers saw.
        mended_seconds: from its end until the check passed; None when it did not in time.
        note: what else was seen.
    """

    title: str
    outcomes: list[Outcome]
    must_answer: bool
    status: str
    status_right: bool
    mended_seconds: float | None
    note: str = ""

    @property
    def answered(self) -> int:
        """Good requests that got a score."""
        return sum(outcome.answered for outcome in self.outcomes)


def measure_attack(installation: DeployedUseCase, seconds: float, log: Callable[[str], None]) -> Topic:
    """Attack a staged copy of a deployed service, while good callers go on.

    Args:
        installation: what is deployed.
        seconds: how long each attack lasts.
        log: told of every phase.
    """
    phases = []
    with under_good_load(installation) as scene:
        for phase in _phases(scene, seconds):
            phases.append(phase)
            words = f"{phase.answered} of {len(phase.outcomes)} answered; status: {phase.status}; {phase.note}"
            log(f"{phase.title}: {words}")
        time.sleep(1.0)
        missing, empty = scene.missing(), scene.empty_segments()
        total = len(scene.outcomes(0.0, time.time()))
    log(f"{len(missing)} answered requests are missing in the log, {empty} segments are empty")
    return _topic(phases, total, len(missing), empty)


def _phases(scene: Scene, seconds: float) -> Iterator[Phase]:
    yield _answered_all_the_while(scene, "nobody else", _quiet(seconds))
    yield _answered_all_the_while(
        scene, "wrong bodies of up to 1 MB on 16 connections", _bad_callers("bodies", seconds)
    )
    yield _answered_all_the_while(scene, "1,100 slow connections", _bad_callers("slow", seconds))
    yield _answered_all_the_while(
        scene, "one of two service processes killed", _accident(accidents.killed_processes, seconds)
    )
    yield _answered_all_the_while(
        scene, "one of two service processes hangs", _hung_process(seconds), seen="does not answer"
    )
    yield _answered_all_the_while(scene, "supervisord killed", _killed_supervisor(seconds), seen="supervisord")
    if scene.on_own_disk:
        yield _refused_meanwhile(scene, "disk of the log full", accidents.full_disk, seconds, "takes no lines")
    yield _refused_meanwhile(scene, "online store deleted", accidents.deleted_store, seconds, "store")
    yield _refused_meanwhile(scene, "online store damaged", accidents.damaged_store, seconds, "store")


Attack = Callable[[Scene], str]


def _quiet(seconds: float) -> Attack:
    def attack(_: Scene) -> str:
        time.sleep(seconds)
        return ""

    return attack


def _bad_callers(kind: str, seconds: float) -> Attack:
    def attack(scene: Scene) -> str:
        counts = run_child(BAD_CALLERS, kind, "--url", scene.url, "--seconds", str(seconds))
        return ", ".join(f"{name}: {count}" for name, count in counts.items())

    return attack


def _accident(accident: Callable[[Scene], AbstractContextManager[None]], seconds: float) -> Attack:
    def attack(scene: Scene) -> str:
        with accident(scene):
            time.sleep(seconds)
        return ""

    return attack


def _killed_supervisor(seconds: float) -> Attack:
    def attack(scene: Scene) -> str:
        with accidents.killed_supervisor(scene):
            problems = scene.check().problems
            time.sleep(seconds)
        return f"status at once: {'; '.join(problems) or 'answers'}"

    return attack


def _hung_process(seconds: float) -> Attack:
    def attack(scene: Scene) -> str:
        with accidents.hung_process(scene):
            time.sleep(SEEN_SECONDS)
            problems = scene.check().problems
            time.sleep(max(0.0, seconds - SEEN_SECONDS))
        return f"status meanwhile: {'; '.join(problems) or 'answers'}"

    return attack


@contextmanager
def _lasting() -> Iterator[list[float]]:
    """The moments between which something lasted."""
    moments = [time.time()]
    yield moments
    moments.append(time.time())


def _answered_all_the_while(scene: Scene, title: str, attack: Attack, seen: str = "") -> Phase:
    """Good requests are answered meanwhile; the check passes afterwards, and said `seen` where it should."""
    with _lasting() as moments:
        note = attack(scene)
    checked = scene.check()
    mended = scene.passes_within(MENDED_SECONDS)
    outcomes = scene.outcomes(moments[0], moments[1])
    answers = sum(outcome.answered for outcome in outcomes) >= 0.99 * len(outcomes)
    others = _statuses([outcome for outcome in outcomes if not outcome.answered])
    note = "; ".join(filter(None, (note, f"not answered: {others}" if others else "")))
    status = "answers" if checked.passed else "; ".join(checked.problems)
    return Phase(title, outcomes, True, status, mended is not None and answers and seen in note, mended, note)


def _refused_meanwhile(
    scene: Scene, title: str, accident: Callable[[Scene], AbstractContextManager[None]], seconds: float, word: str
) -> Phase:
    """The service cannot answer rightly meanwhile: the check says so for the right reason, and passes again afterwards."""
    with accident(scene), _lasting() as moments:
        time.sleep(SEEN_SECONDS)
        checked = scene.check()
        time.sleep(max(0.0, seconds - SEEN_SECONDS))
    outcomes = scene.outcomes(moments[0] + SEEN_SECONDS, moments[1])
    mended = scene.passes_within(MENDED_SECONDS)
    right = not checked.passed and any(word in problem for problem in checked.problems) and mended is not None
    status = "answers" if checked.passed else checked.problems[0][:160]
    return Phase(title, outcomes, False, status, right, mended, _statuses(outcomes))


def _statuses(outcomes: list[Outcome]) -> str:
    counts = Counter(outcome.status for outcome in outcomes)
    return ", ".join(f"{status}: {count}" for status, count in sorted(counts.items()))


def _topic(phases: list[Phase], total: int, missing: int, empty: int) -> Topic:
    open_phases = [phase for phase in phases if phase.must_answer]
    sent = sum(len(phase.outcomes) for phase in open_phases)
    answered = sum(phase.answered for phase in open_phases)
    share = answered / sent if sent else 0.0
    wrong = [phase.title for phase in phases if not phase.status_right]
    rows = [
        [
            phase.title,
            f"{phase.answered} of {len(phase.outcomes)}",
            "" if phase.mended_seconds is None else f"{phase.mended_seconds:.1f}",
            _SCRATCH.sub("HOME/", phase.status),
            _SCRATCH.sub("HOME/", phase.note),
        ]
        for phase in phases
    ]
    bars = [
        Bar(
            "good requests answered at least 99.9 % under bad callers, with killed processes and with one that hangs",
            f"{100 * share:.2f} % ({sent - answered} of {sent} not)",
            share >= LEAST_ANSWERED,
        ),
        Bar(
            "no answered request is missing in the log",
            f"{missing} missing, of {total} sent",
            missing == 0 and total > 0,
        ),
        Bar("no empty segment is left", f"{empty} empty", empty == 0),
        Bar("`status` right in each phase", f"wrong in: {', '.join(wrong) or 'none'}", not wrong),
        Bar(
            "the full disk was tried",
            f"{len(phases) - len(open_phases)} accidents",
            len(phases) - len(open_phases) == 3,
        ),
    ]
    return Topic(
        "Under attack",
        HOW,
        ["", "good requests answered", "passes again after, s", "`status`", "seen"],
        rows,
        bars,
    )
