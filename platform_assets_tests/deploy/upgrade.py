"""`make upgrade-test`: a home of an earlier release under today's code, and back.

Belongs here: the order that docs/operations/disaster-recovery.md gives for an upgrade, and what each step has to show. Does not belong
here: what a step does, which is the platform's own command, of that time or of today.

A home of an earlier release is too large to lie in the repository, so that it is made: the earlier code is checked out beside this one and
runs a small world. Only our code is the earlier one: both run under the libraries of this environment, unless PYTHON_BEFORE names the
Python of another.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from platform_assets.declaration.days import ONE_DAY
from platform_assets.declaration.loader import declared_use_cases
from platform_assets.lake.layout import MODEL, table_uri
from platform_assets.pipelines.timeline import plan
from platform_assets.testing.servers import free_port
from platform_assets_tests.deploy.timeline import Timeline, say
from platform_assets_tests.kubernetes.tools import ROOT
from platform_assets_tests.unit.deployment.gitops_files import git

USE_CASE = "card_fraud"
EARLIEST = "823ea68"
"""The first commit that a release could be made of; taken where there is no tag yet."""
REQUESTS = 40
COMMAND_SECONDS = 3600
Answers = tuple[tuple[float, str], ...]


class UpgradeFailed(RuntimeError):
    """Something is otherwise than before, or a command did not end well."""


@dataclass(frozen=True)
class Release:
    """Code of a time, and the Python that runs it.

    Attributes:
        name: for people.
        checkout: its folder.
        python: of an environment that has its libraries.
    """

    name: str
    checkout: Path
    python: str


class Home:
    """One installation that two releases work on, one after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder / "home", free_port()
        self.settings = {
            "PLATFORM_ASSETS_HOME": str(self.folder),
            "PLATFORM_ASSETS_DAGSTER": str(self.folder / "dagster"),
            "PLATFORM_ASSETS_SIMULATION": json.dumps({"customers": 1000, "terminals": 2000}),
            "PLATFORM_ASSETS_REPLAYED_REQUESTS": "100",
            "PLATFORM_ASSETS_PORT": str(self.port),
            "PLATFORM_ASSETS_BACKUP": json.dumps({"to": str(folder / "backups")}),
        }

    def run(self, release: Release, *command: str) -> str:
        """A program of a release's environment, in its checkout; what it printed.

        Raises:
            UpgradeFailed: it did not end well.
        """
        inherited: Mapping[str, str] = {
            name: text for name, text in os.environ.items() if not name.startswith(("PLATFORM_ASSETS", "DAGSTER"))
        }
        own = {"PYTHONPATH": str(release.checkout), "DAGSTER_HOME": str(release.checkout)}
        done = subprocess.run(
            command,
            cwd=release.checkout,
            env={**inherited, **self.settings, **own},
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        if done.returncode:
            raise UpgradeFailed(f"{release.name}: {' '.join(command)}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
        return done.stdout

    def platform(self, release: Release, *words: str) -> str:
        """A command of the platform, by a release."""
        return self.run(release, release.python, "-m", "platform_assets.cli", *words)

    def launch(self, release: Release, day: str, *tables: str) -> None:
        """Materialize tables of a day."""
        wanted = " or ".join(f'key:"{USE_CASE}/{table}"' for table in tables)
        dg = str(Path(release.python).parent / "dg")
        self.run(release, dg, "launch", "--assets", wanted, "--partition", day)

    def answers(self) -> Answers:
        """Probability and version for the same requests each time."""
        found = []
        with httpx.Client(trust_env=False, timeout=30) as client:
            for number in range(REQUESTS):
                body = {
                    "transaction_id": 999_000_000_000 + number,
                    "transaction_time": f"2018-09-25T{number % 24:02d}:00:00Z",
                    "customer_id": 7 + number * 20,
                    "terminal_id": 11 + number * 40,
                    "amount": 4.5 + number * 9,
                }
                answer = client.post(f"http://127.0.0.1:{self.port}/v1/{USE_CASE}/score", json=body)
                if answer.status_code != 200:
                    raise UpgradeFailed(f"request {number} was answered with {answer.status_code}: {answer.text[:300]}")
                said = answer.json()
                found.append((said["probability"], said["model_version"]))
        return tuple(found)

    def ledger(self) -> frozenset[str]:
        """Names of the entries of what was decided and deployed."""
        import polars as pl

        uri = table_uri(str(self.folder / "lake"), USE_CASE, MODEL, "ledger")
        return frozenset(pl.read_delta(uri, columns=["entry"])["entry"])


def require_equal(before: Answers, after: Answers, when: str) -> str:
    """The sentence that all answers are the same, to the bit.

    Raises:
        UpgradeFailed: they are not; the first one that differs is named.
    """
    differing = [number for number, pair in enumerate(zip(before, after, strict=True)) if pair[0] != pair[1]]
    if differing:
        first = differing[0]
        raise UpgradeFailed(
            f"{when}: {len(differing)} of {len(before)} answers differ; request {first} was {before[first]} and is {after[first]}"
        )
    return f"{len(before)} of {len(before)} answers equal to the bit, version {before[0][1]}"


def tables_below(home: Path) -> dict[str, int]:
    """The newest version of every table of the lake, by its path."""
    logs = (home / "lake").rglob("_delta_log")
    return {str(log.parent.relative_to(home)): len(list(log.glob("*.json"))) for log in logs}


def upgrade_and_back(before: Release, today: Release, home: Home, timeline: Timeline) -> None:
    """Live through it once.

    Raises:
        UpgradeFailed: a step shows something else than it should.
    """
    with timeline.step(f"{before.name}: a small world to its end, its answers, a backup") as notes:
        home.platform(before, "run", USE_CASE)
        asked = home.answers()
        ledger = home.ledger()
        home.platform(before, "backup", "create")
        tables = tables_below(home.folder)
        notes.append(f"{len(tables)} tables, version {asked[0][1]} serves")
        home.platform(before, "stop")
    with timeline.step("today: the drill of that backup, before anything is changed") as notes:
        said = home.platform(today, "backup", "drill")
        notes.append(" ".join(said.split())[-160:])
    with timeline.step("today: `run` on the home of before") as notes:
        home.platform(today, "run", USE_CASE)
        home.platform(today, "lake", "verify", USE_CASE)
        notes.append(require_equal(asked, home.answers(), "the services of before, under today's target"))
        gone = sorted(set(tables) - set(tables_below(home.folder)))
        if gone:
            raise UpgradeFailed(f"tables are gone: {', '.join(gone)}")
    use_case = declared_use_cases(USE_CASE)[0].use_case
    days = plan(use_case)
    with timeline.step("today: the model of before, packed and deployed by today's code") as notes:
        home.launch(today, days.as_of.isoformat(), "serving/service", "serving/deployment")
        notes.append(require_equal(asked, home.answers(), "the model of before in today's service"))
    with timeline.step("today: a next model from the tables of before, up to its verdict") as notes:
        day = (days.live.last + ONE_DAY).isoformat()
        home.launch(
            today, day, "training/training_set", f"model/{use_case.model_name}", "model/evaluation", "model/card"
        )
        notes.append(f"as of {day}")
    with timeline.step(f"back: {before.name} restores its backup and serves") as notes:
        home.platform(today, "stop")
        home.platform(before, "restore", "home", "--set-aside")
        home.platform(before, "run", USE_CASE)
        notes.append(require_equal(asked, home.answers(), "after the way back"))
        gone = sorted(set(tables) - set(tables_below(home.folder)))
        if gone:
            raise UpgradeFailed(f"tables are gone after the way back: {', '.join(gone)}")
        if ledger - home.ledger():
            raise UpgradeFailed(f"the ledger lacks {', '.join(sorted(ledger - home.ledger()))} after the way back")
        home.platform(before, "stop")


def commit_before(wanted: str | None) -> str:
    """The commit to come from: the one that is named, the newest tag before this commit, or the first that had releases."""
    if wanted:
        return git(ROOT, "rev-parse", "--verify", f"{wanted}^{{commit}}").strip()
    tags = git(ROOT, "tag", "--merged", "HEAD~1", "--sort=-creatordate", "v*").split()
    return git(ROOT, "rev-parse", "--verify", f"{tags[0] if tags else EARLIEST}^{{commit}}").strip()


def main() -> int:
    """Make a home, upgrade it, go back; the timeline."""
    parser = argparse.ArgumentParser(description="A home of an earlier release under today's code, and back.")
    parser.add_argument("--from", dest="before", help="tag or commit; the newest tag before this commit without")
    commit = commit_before(parser.parse_args().before)
    with tempfile.TemporaryDirectory(prefix="platform-assets-upgrade-") as scratch:
        folder = Path(scratch)
        checkout = folder / "before"
        git(ROOT, "worktree", "add", "--quiet", "--detach", str(checkout), commit)
        try:
            before = Release(f"before ({commit[:7]})", checkout, os.environ.get("PYTHON_BEFORE", sys.executable))
            today, home, timeline = Release("today", ROOT, sys.executable), Home(folder), Timeline()
            try:
                upgrade_and_back(before, today, home, timeline)
            except UpgradeFailed as error:
                say(f"\nFAILED: {error}")
                return 1
            finally:
                for release in (today, before):
                    subprocess.run(
                        [release.python, "-m", "platform_assets.cli", "stop"],
                        cwd=release.checkout,
                        env={**os.environ, **home.settings, "PYTHONPATH": str(release.checkout)},
                        capture_output=True,
                        check=False,
                    )
                timeline.show()
        finally:
            git(ROOT, "worktree", "remove", "--force", str(checkout))
    say(f"\na home of {commit[:7]} was brought forward, tried and taken back in {timeline.seconds:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
