"""`make options-test`: run the tests that hold what the options page says, and keep what they came to.

Belongs here: that run and its record. Does not belong here: the tests (`platform_assets_tests`), or the page
(`platform_assets/cli/options_reference.py`).
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

from platform_assets.cli.options_reference import OPTION_RESULTS, option_results
from platform_assets.declaration.options.registry import CHOICES

ROOT = Path(__file__).parents[2]
TESTS = "platform_assets_tests"


def named_tests() -> list[str]:
    """Every test that holds a value, as `file::function` below the folder of tests, each once."""
    values = (CHOICES[field].options[name] for field in CHOICES for name in CHOICES[field].options)
    return list(dict.fromkeys(option.held_by for option in values))


def counted(report: Path, day: str) -> dict[str, dict[str, int | str]]:
    """How often each test passed, failed and was skipped, by `file::function`."""
    found: dict[str, dict[str, int | str]] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        file = case.get("classname", "").removeprefix(f"{TESTS}.").replace(".", "/") + ".py"
        kinds = {child.tag for child in case}
        outcome = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
        one = found.setdefault(
            f"{file}::{case.get('name', '').partition('[')[0]}", {"passed": 0, "failed": 0, "skipped": 0, "day": day}
        )
        one[outcome] = int(one[outcome]) + 1
    return found


def main() -> int:
    """Run the tests, or those whose file a word of the arguments names, and write the record; 1 where one is red."""
    chosen = [test for test in named_tests() if not sys.argv[1:] or any(word in test for word in sys.argv[1:])]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "--import-mode=importlib", f"--junitxml={report}"]
        subprocess.run([*command, *(f"{TESTS}/{test}" for test in chosen)], cwd=ROOT, check=False)
        results = {**option_results(ROOT), **counted(report, datetime.now(UTC).date().isoformat())}
    kept = {test: results[test] for test in sorted(named_tests()) if test in results}
    (ROOT / OPTION_RESULTS).write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    missing = [test for test in chosen if test not in kept]
    for test in missing:
        sys.stderr.write(f"{test} did not run\n")
    return 1 if missing or any(kept[test]["failed"] for test in chosen) else 0


if __name__ == "__main__":
    sys.exit(main())
