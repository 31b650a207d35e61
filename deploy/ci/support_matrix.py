"""The rows of the support matrix: what is installed for one, what came of it, and the page.

Belongs here: reading and writing files. Does not belong here: installing and testing (`support-matrix.sh`).

    support_matrix.py requirements DAGSTER FOLDER            # the lock, and Dagster's family at that patch
    support_matrix.py record PYTHON DAGSTER FOLDER ...       # into deploy/ci/support.json
    support_matrix.py page                                   # docs/reference/support.md
"""

import argparse
import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "deploy" / "ci" / "support.json"
PAGE = ROOT / "docs" / "reference" / "support.md"
_FAMILY = re.compile(r"^(dagster[a-z0-9-]*)==(\d+\.\d+)\.(\d+)", re.MULTILINE)


def overrides(lock: str, dagster: str) -> str:
    """Dagster's family at a patch, one line each: libraries are numbered 0.Y.Z where Dagster is 1.X.Z, with the same Z.

    Raises:
        ValueError: that is another line of versions than the lock's, where the numbers of the libraries cannot be told.
    """
    line, _, patch = dagster.rpartition(".")
    if (own := {name: minor for name, minor, _ in _FAMILY.findall(lock)}["dagster"]) != line:
        raise ValueError(
            f"the lock has Dagster {own}; {dagster} is of another line: raise the pins and lock again to try it"
        )
    return "".join(f"{name}=={minor}.{patch}\n" for name, minor, _ in _FAMILY.findall(lock))


def read_results() -> list[dict[str, Any]]:
    """What came of rows so far."""
    found: list[dict[str, Any]] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else []
    return found


def counted(junit: Path) -> dict[str, Any]:
    """Passed, failed and skipped tests of a run of pytest."""
    suite = ElementTree.parse(junit).getroot().find("testsuite")
    assert suite is not None, "pytest writes one"
    total, bad, skipped = (int(suite.get(name, 0)) for name in ("tests", "failures", "skipped"))
    bad += int(suite.get("errors", 0))
    bad_cases = [case for case in suite if case.find("failure") is not None or case.find("error") is not None]
    red = [f"{case.get('classname')}::{case.get('name')}" for case in bad_cases]
    return {"passed": total - bad - skipped, "failed": bad, "skipped": skipped, "red": red[:20]}


def record(python: str, dagster: str, folder: Path, tests: str, failed: str) -> None:
    """Put a row's outcome in the place of an earlier one."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
    version = subprocess.run(
        [f"python{python}", "--version"], capture_output=True, text=True, check=True
    ).stdout.split()[-1]
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    row: dict[str, Any] = {"python": python, "dagster": dagster, "interpreter": version, "commit": commit, "day": day}
    if failed:
        row["problem"] = failed
    elif (folder / "junit.xml").exists():
        row |= {"tests": tests, **counted(folder / "junit.xml")}
    else:
        row["problem"] = "pytest wrote no result"
    others = [one for one in read_results() if (one["python"], one["dagster"]) != (python, dagster)]
    rows = sorted([*others, row], key=lambda one: (one["dagster"], one["python"]))
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def page(results: list[dict[str, Any]]) -> str:
    """The page as Markdown."""
    lines = [
        "# What is supported",
        "",
        "Written by `deploy/ci/support-matrix.sh` from what it found: each row is an environment of its own with every extra at the lock's",
        "versions, in which the tests named here ran. `make test` runs all tests on the first row.",
        "",
        "| Python | Dagster | Tests | Passed | Skipped | Red | Commit, day |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in results:
        when = f"{one['commit']}, {one['day']}"
        if "problem" in one:
            lines.append(f"| {one['interpreter']} | {one['dagster']} | {one['problem']} | | | | {when} |")
        else:
            found = f"`{one['tests']}` | {one['passed']:,} | {one['skipped']} | {one['failed']}"
            lines.append(f"| {one['interpreter']} | {one['dagster']} | {found} | {when} |")
    lines += [
        "",
        "Dagster's family is one patch: `dagster`, `dagster-webserver`, `dagster-dg-cli` and the libraries (0.X.Z beside 1.Y.Z) pin",
        "each other exactly, and a tool that was added later moves `dagster-shared` and warns. So `pyproject.toml` has no range, and a",
        "later patch is a row here before it is the pin. Another line (1.12, 1.14) is not tried: raise the pins, lock again, and run all",
        "tests. Python 3.13 is not tried; 3.10 lacks `typing.Self` and `tomllib`.",
        "",
    ]
    return "\n".join(lines)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="The rows of the support matrix.")
    commands = parser.add_subparsers(dest="what", required=True)
    wanted = commands.add_parser("requirements")
    wanted.add_argument("dagster")
    wanted.add_argument("folder", type=Path)
    came = commands.add_parser("record")
    came.add_argument("python")
    came.add_argument("dagster")
    came.add_argument("folder", type=Path)
    came.add_argument("--tests", default="")
    came.add_argument("--failed", default="")
    commands.add_parser("page")
    asked = parser.parse_args()
    if asked.what == "requirements":
        lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
        (asked.folder / "requirements.txt").write_text(_FAMILY.sub(r"\1", lock), encoding="utf-8")
        (asked.folder / "overrides.txt").write_text(overrides(lock, asked.dagster), encoding="utf-8")
    elif asked.what == "record":
        record(asked.python, asked.dagster, asked.folder, asked.tests, asked.failed)
    else:
        PAGE.write_text(page(read_results()), encoding="utf-8")
        sys.stdout.write(f"wrote {PAGE.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
