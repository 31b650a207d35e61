"""Accidents at random, one after the other and now and then two at once, while good callers go on: what was promised, and what held.

Belongs here: the order, drawn from a seed, and the bars. Does not belong here: the accidents themselves (`accidents.py`).
"""

from __future__ import annotations

import contextlib
import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.attack.good_callers import Outcome
from benchmarks.attack.scene import PROCESSES, RATE_PER_SECOND, Scene, under_good_load
from benchmarks.chaos.accidents import Accident, possible, wait_for_programs
from benchmarks.common.deployed import DeployedUseCase
from benchmarks.common.report import Bar, Topic

SEED, ACCIDENTS, SECONDS = 15, 24, 6.0
TWO_AT_ONCE = 0.25
LEAST_ANSWERED = 0.999
MENDED_SECONDS = 90.0
SEEN_SECONDS = 5.0
"""Until then an accident may be seen or not."""
CALM_SECONDS = 2.0


@dataclass(frozen=True)
class Happened:
    """One accident, or two at once.

    Attributes:
        title: what was done.
        answered: whether good requests were to be answered meanwhile.
        outcomes: good requests sent until all was well again.
        status: what `status` found meanwhile.
        status_right: whether it named what had to be named.
        mended_seconds: from its end until the check passed; None when it did not in time.
        serves: whether the same version serves as before, with all of the traffic.
    """

    title: str
    answered: bool
    outcomes: Sequence[Outcome]
    status: str
    status_right: bool
    mended_seconds: float | None
    serves: bool

    @property
    def lost(self) -> int:
        """Good requests without a score."""
        return sum(not outcome.answered for outcome in self.outcomes)


def measure_chaos(
    installation: DeployedUseCase, seed: int, count: int, seconds: float, log: Callable[[str], None]
) -> Topic:
    """Let accidents happen to a staged copy of a deployed service, while good callers go on.

    Args:
        installation: what is deployed.
        seed: decides which accidents happen, and in which order.
        count: how many; every kind happens once where there are enough.
        seconds: how long each one lasts.
        log: told of each.
    """
    happened = []
    with under_good_load(installation) as scene:
        time.sleep(CALM_SECONDS)
        wait_for_programs(scene)
        kinds = possible(scene)
        log(f"seed {seed}: {count} accidents of {len(kinds)} kinds: {', '.join(one.name for one in kinds)}")
        for accidents, draws in drawn(kinds, seed, count):
            happened.append(_let_happen(scene, accidents, draws, seconds))
            one = happened[-1]
            log(
                f"{one.title}: {len(one.outcomes) - one.lost} of {len(one.outcomes)} answered; status: {one.status}; "
                f"passes again after {one.mended_seconds} s"
            )
        time.sleep(1.0)
        missing, total = scene.missing(), len(scene.outcomes(0.0, time.time()))
    log(f"{len(missing)} acknowledged predictions are missing in the log")
    return _topic(happened, seed, seconds, len(missing), total, len(kinds))


def drawn(kinds: Sequence[Accident], seed: int, count: int) -> Iterator[tuple[tuple[Accident, ...], random.Random]]:
    """Accidents in the seed's order: all kinds, then all again; now and then with a second one, of those that leave requests answered."""
    random_ = random.Random(seed)
    order: list[Accident] = []
    for _ in range(count):
        if not order:
            order = random_.sample(list(kinds), len(kinds))
        accident = order.pop()
        beside = random_.choice([one for one in kinds if one.answered])
        two = random_.random() < TWO_AT_ONCE and beside != accident
        yield ((accident, beside) if two else (accident,)), random.Random(random_.random())


def _let_happen(scene: Scene, accidents: Sequence[Accident], draws: random.Random, seconds: float) -> Happened:
    before = _serving(scene)
    since = time.time()
    with contextlib.ExitStack() as stack:
        for accident in accidents:
            stack.enter_context(accident.cause(scene, draws))
        time.sleep(min(SEEN_SECONDS, seconds))
        problems = scene.check().problems
        time.sleep(max(0.0, seconds - SEEN_SECONDS))
    mended = scene.passes_within(MENDED_SECONDS)
    words = [accident.word for accident in accidents if accident.word]
    return Happened(
        title=" and ".join(accident.name for accident in accidents),
        answered=all(accident.answered for accident in accidents) and len(accidents) == 1,
        outcomes=scene.outcomes(since, time.time()),
        status=problems[0][:110] if problems else "answers",
        status_right=mended is not None and all(any(word in problem for problem in problems) for word in words),
        mended_seconds=None if mended is None else round(mended, 1),
        serves=_serving(scene) == before,
    )


def _serving(scene: Scene) -> tuple[str | None, dict[str, int]]:
    status = scene.target.status().use_cases[scene.use_case.name]
    return status.version, dict(status.weights)


def _topic(happened: Sequence[Happened], seed: int, seconds: float, missing: int, total: int, kinds: int) -> Topic:
    grouped: dict[str, list[Happened]] = defaultdict(list)
    for one in happened:
        grouped[one.title].append(one)
    rows = []
    for title, those in sorted(grouped.items()):
        sent, lost = sum(len(one.outcomes) for one in those), sum(one.lost for one in those)
        promised = "answered" if those[0].answered else "logged, and back"
        worst = [one.mended_seconds for one in those]
        back = "**never**" if None in worst else f"{max(value for value in worst if value is not None):.1f}"
        rows.append(
            [title, str(len(those)), promised, f"{sent - lost} of {sent}", back, those[0].status.replace("|", "/")]
        )
    held = [one for one in happened if one.answered]
    sent, lost = sum(len(one.outcomes) for one in held), sum(one.lost for one in held)
    share = 1 - lost / sent if sent else 0.0
    wrong = [one.title for one in happened if not one.status_right]
    other = [one.title for one in happened if not one.serves]
    never = [one.title for one in happened if one.mended_seconds is None]
    bars = [
        Bar(
            "no acknowledged prediction is missing in the log",
            f"{missing} missing, of {total} sent",
            missing == 0 < total,
        ),
        Bar(
            f"good requests answered at least {100 * LEAST_ANSWERED:.1f} % where that is promised",
            f"{100 * share:.2f} % ({lost} of {sent} not)",
            share >= LEAST_ANSWERED,
        ),
        Bar(
            "`status` names what is wrong, and passes afterwards", f"wrong in: {', '.join(wrong) or 'none'}", not wrong
        ),
        Bar("the last good version serves afterwards", f"another in: {', '.join(other) or 'none'}", not other),
        Bar(f"right again within {MENDED_SECONDS:.0f} s", f"not in: {', '.join(never) or 'none'}", not never),
        Bar("every kind of accident happened", f"{len(happened)} accidents, {kinds} kinds", len(happened) >= kinds),
    ]
    how = (
        f"The deployed release once more, {PROCESSES} processes behind the proxy on loopback, its log on a disk of its own in memory, "
        f"{RATE_PER_SECOND:.0f} good requests a second all the while, each sent once. {len(happened)} accidents in an order drawn from "
        f"seed {seed}, {seconds:.0f} s each, a quarter of them two at once; the next one comes when the service answers rightly again. A "
        "request counts to the accident during which, or during whose mending, it was sent. While the proxy itself is down, the "
        "disk is full or the store is gone no request can be answered: what is promised then is the log and the way back."
    )
    columns = [
        "",
        "times",
        "promised meanwhile",
        "good requests answered",
        "right again after, s",
        "`status` meanwhile",
    ]
    return Topic("Chaos", how, columns, rows, bars)
