"""The changelog goes with the version, by the rules of semantic versioning; each planted mistake is named."""

from typing import Any

import pytest

from platform_assets_tests.unit.deployment.scripts import ROOT, script

CHANGELOG: Any = script("deploy/ci/changelog.py")

GOOD = """# Changelog

## Unreleased

### Fixed
- A fix.

## 1.2.0 - 2026-12-10

### Added
- A thing.

## 1.1.4 - 2026-11-01

### Fixed
- Another fix.
"""


def test_ours_goes_with_our_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    assert CHANGELOG.problems_of(text, CHANGELOG.version_of(ROOT)) == []


def test_a_version_that_comes_and_one_that_is_released_are_accepted() -> None:
    assert CHANGELOG.problems_of(GOOD, "1.2.1.dev0") == []
    released = GOOD.replace("## Unreleased\n\n### Fixed\n- A fix.\n\n", "")
    assert CHANGELOG.problems_of(released, "1.2.0", "v1.2.0") == []


@pytest.mark.parametrize(
    ("before", "after", "version", "tag", "told"),
    [
        ("### Fixed\n- A fix.", "### Fixed", "1.2.1.dev0", None, "`## Unreleased` says nothing of 1.2.1.dev0"),
        ("### Fixed\n- A fix.", "### Added\n- More.", "1.2.1.dev0", None, "has `Added`: at least 1.3.0 after 1.2.0"),
        (
            "### Fixed\n- A fix.",
            "### Removed\n- That.",
            "1.3.0.dev0",
            None,
            "has `Removed`: at least 2.0.0 after 1.2.0",
        ),
        ("- A fix.", "- **Breaking:** a fix.", "1.2.1.dev0", None, "at least 2.0.0 after 1.2.0"),
        ("### Fixed\n- A", "### Mended\n- A", "1.2.1.dev0", None, "CHANGELOG.md:5: there is no heading 'Mended'"),
        ("### Fixed\n- A fix.", "- A fix.", "1.2.1.dev0", None, "CHANGELOG.md:5: an entry stands below one of Added"),
        ("1.2.0 - 2026-12-10", "1.2.0", "1.2.1.dev0", None, "1.2.0 has no day"),
        ("1.2.0 - 2026-12-10", "1.2.0 - 2026-13-10", "1.2.1.dev0", None, "1.2.0 has no day"),
        ("1.2.0 - 2026-12-10", "1.2.0 - 2026-10-10", "1.2.1.dev0", None, "1.1.4 has a later day than 1.2.0"),
        ("1.2.0 - ", "1.1.3 - ", "1.2.1.dev0", None, "1.1.4 stands below 1.1.3, which is not newer"),
        ("### Added\n- A thing.", "", "1.2.1.dev0", None, "1.2.0 says nothing"),
        ("", "", "1.2", None, "'1.2' is no version"),
        ("", "", "1.2.1.dev0", "v1.2.1", "v1.2.1 cannot be released: the version is 1.2.1.dev0"),
        ("", "", "1.2.1", "v1.2.1", "has no section `## 1.2.1 - YYYY-MM-DD` at its top"),
        ("", "", "1.2.0", "v1.2.0", "`Unreleased` has entries that 1.2.0 does not speak of"),
        ("", "", "1.2.0", "v1.2.1", "tag v1.2.1 is not the version 1.2.0"),
    ],
)
def test_a_mistake_is_named(before: str, after: str, version: str, tag: str | None, told: str) -> None:
    problems = CHANGELOG.problems_of(GOOD.replace(before, after, 1), version, tag)
    assert any(told in problem for problem in problems), problems


def test_before_the_first_major_version_what_breaks_raises_the_second_number() -> None:
    text = (
        GOOD.replace("1.2.0", "0.2.0").replace("1.1.4", "0.1.4").replace("### Fixed\n- A fix.", "### Removed\n- That.")
    )
    assert CHANGELOG.problems_of(text, "0.3.0.dev1") == []
    assert "at least 0.3.0" in "".join(CHANGELOG.problems_of(text, "0.2.1.dev1"))
