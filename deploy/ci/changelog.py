"""What CHANGELOG.md says of a version, and whether that goes with the version.

Belongs here: the format, the rules of semantic versioning that can be read off it, and the section of one version as notes. Does not belong
here: building a release (`release.sh`).

    python deploy/ci/changelog.py check [--tag v1.2.0]     # exit code 1 and one line for each problem
    python deploy/ci/changelog.py notes                    # the section of the version, for people who read releases

`platform_assets/__init__.py` has the version. Between releases it ends in `.devN` and names the release that comes: then `Unreleased`
collects what it will say. A release drops `.devN`, and `Unreleased` becomes `## 1.2.0 - 2027-01-31`.
"""

import argparse
import re
import sys
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
UNRELEASED = "Unreleased"
HEADINGS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
BREAKING_MARK = "**Breaking:**"
"""Begins an entry, below whatever heading, that people have to act on."""
BREAKING = {"Removed", BREAKING_MARK}
FEATURES = {"Added", "Changed", "Deprecated"}
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)(?:\.dev(\d+))?")
_SECTION = re.compile(r"## (\S+)(?: - (\S+))?")

Number = tuple[int, int, int]


@dataclass
class Section:
    """What one version changed.

    Attributes:
        title: the version, or `Unreleased`.
        day: of its release, as written.
        line: in the file, from 1.
        entries: the number of entries by heading.
        text: everything below the title.
    """

    title: str
    day: str | None
    line: int
    entries: dict[str, int] = field(default_factory=dict)
    text: list[str] = field(default_factory=list)

    @property
    def number(self) -> Number | None:
        """The version as numbers; None for `Unreleased` and for what is no version."""
        return number_of(self.title)


def number_of(version: str) -> Number | None:
    """`1.2.3`, with or without `.devN`, as numbers; None for anything else."""
    match = _VERSION.fullmatch(version)
    return (int(match[1]), int(match[2]), int(match[3])) if match else None


def sections_of(text: str) -> tuple[list[Section], list[str]]:
    """The sections of a changelog, newest first, and what is wrong with its form."""
    sections: list[Section] = []
    problems = []
    heading = ""
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("## "):
            match = _SECTION.fullmatch(line.strip())
            if match is None:
                problems.append(
                    f"CHANGELOG.md:{number}: expected `## VERSION - YYYY-MM-DD` or `## {UNRELEASED}`, found {line!r}"
                )
                continue
            sections.append(Section(match[1], match[2], number))
            heading = ""
        elif sections and line.startswith("### "):
            heading = line.removeprefix("### ").strip()
            if heading not in HEADINGS:
                problems.append(
                    f"CHANGELOG.md:{number}: there is no heading {heading!r}; there are {', '.join(HEADINGS)}"
                )
        elif sections and line.startswith("- "):
            if not heading:
                problems.append(f"CHANGELOG.md:{number}: an entry stands below one of {', '.join(HEADINGS)}")
            counted = BREAKING_MARK if line.startswith(f"- {BREAKING_MARK}") else heading
            sections[-1].entries[counted] = sections[-1].entries.get(counted, 0) + 1
        if sections and line != f"## {sections[-1].title}" and not line.startswith("## "):
            sections[-1].text.append(line)
    return sections, problems


def problems_of(text: str, version: str, tag: str | None = None) -> list[str]:
    """What does not go together: the changelog, the version and, for a release, its tag.

    Args:
        text: of CHANGELOG.md.
        version: of the code.
        tag: that is to be released, `v1.2.0`; None where nothing is.
    """
    sections, problems = sections_of(text)
    number = number_of(version)
    if number is None:
        return [f"{version!r} is no version: X.Y.Z, or X.Y.Z.devN between releases"]
    released = [section for section in sections if section.title != UNRELEASED]
    problems += _form_of(released)
    unreleased = next((section for section in sections if section.title == UNRELEASED), None)
    if unreleased is not None and sections[0] is not unreleased:
        problems.append(f"CHANGELOG.md:{unreleased.line}: `{UNRELEASED}` comes first")
    if ".dev" in version:
        problems += _of_a_version_to_come(unreleased, released, number, version, tag)
    else:
        problems += _of_a_release(unreleased, released, number, version, tag)
    return problems


def _form_of(released: list[Section]) -> list[str]:
    problems = []
    newer: Section | None = None
    for section in released:
        where = f"CHANGELOG.md:{section.line}"
        if section.number is None or ".dev" in section.title:
            problems.append(f"{where}: {section.title!r} is no version that can be released")
            continue
        if _day_of(section) is None:
            problems.append(f"{where}: {section.title} has no day: `## {section.title} - YYYY-MM-DD`")
        if not section.entries:
            problems.append(f"{where}: {section.title} says nothing")
        if newer is not None and newer.number is not None:
            if newer.number <= section.number:
                problems.append(f"{where}: {section.title} stands below {newer.title}, which is not newer")
            elif (least := _next_after(section.number, newer.entries)) > newer.number:
                why = f"{newer.title} {_why(newer.entries)}: at least {_text(least)} after {section.title}"
                problems.append(f"CHANGELOG.md:{newer.line}: {why}")
            newer_day, day = _day_of(newer), _day_of(section)
            if newer_day is not None and day is not None and newer_day < day:
                problems.append(f"{where}: {section.title} has a later day than {newer.title} above it")
        newer = section
    return problems


def _of_a_version_to_come(
    unreleased: Section | None, released: list[Section], number: Number, version: str, tag: str | None
) -> list[str]:
    problems = []
    if tag is not None:
        problems.append(
            f"{tag} cannot be released: the version is {version}; drop `.devN` and give `{UNRELEASED}` the version and a day"
        )
    if unreleased is None or not unreleased.entries:
        problems.append(f"CHANGELOG.md: `## {UNRELEASED}` says nothing of {version}")
        return problems
    if released and released[0].number is not None:
        last = released[0].number
        if (least := _next_after(last, unreleased.entries)) > number:
            problems.append(
                f"{version}: `{UNRELEASED}` {_why(unreleased.entries)}: at least {_text(least)} after {released[0].title}"
            )
    return problems


def _of_a_release(
    unreleased: Section | None, released: list[Section], number: Number, version: str, tag: str | None
) -> list[str]:
    problems = []
    if tag is not None and tag != f"v{version}":
        problems.append(f"tag {tag} is not the version {version} of platform_assets/__init__.py")
    if not released or released[0].number != number:
        problems.append(f"CHANGELOG.md has no section `## {version} - YYYY-MM-DD` at its top: a release has an entry")
    if unreleased is not None and unreleased.entries:
        problems.append(f"CHANGELOG.md:{unreleased.line}: `{UNRELEASED}` has entries that {version} does not speak of")
    return problems


def _next_after(last: Number, entries: dict[str, int]) -> Number:
    """The smallest version that may follow by what changed; before 1.0.0 what breaks raises the second number."""
    major, minor, patch = last
    if set(entries) & BREAKING:
        return (major + 1, 0, 0) if major else (0, minor + 1, 0)
    return (major, minor + 1, 0) if set(entries) & FEATURES else (major, minor, patch + 1)


def _why(entries: dict[str, int]) -> str:
    breaking = sorted(set(entries) & BREAKING)
    return (
        f"has `{breaking[0]}`"
        if breaking
        else f"has `{sorted(set(entries) & FEATURES)[0]}`"
        if set(entries) & FEATURES
        else "is a fix"
    )


def _text(number: Number) -> str:
    return ".".join(map(str, number))


def _day_of(section: Section) -> date | None:
    try:
        return date.fromisoformat(section.day or "")
    except ValueError:
        return None


def version_of(root: Path) -> str:
    """`__version__`, without importing the package."""
    found = re.search(
        r'^__version__ = "(.+)"$', (root / "platform_assets" / "__init__.py").read_text(encoding="utf-8"), re.MULTILINE
    )
    if found is None:
        raise SystemExit("platform_assets/__init__.py has no __version__")
    return found[1]


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="What CHANGELOG.md says of a version.")
    parser.add_argument("what", choices=("check", "notes"))
    parser.add_argument("--tag", help="the tag that is to be released")
    asked = parser.parse_args()
    text, version = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), version_of(ROOT)
    if asked.what == "notes":
        title = UNRELEASED if ".dev" in version else version
        sys.stdout.write("\n".join(next(one for one in sections_of(text)[0] if one.title == title).text).strip() + "\n")
        return 0
    problems = problems_of(text, version, asked.tag)
    sys.stderr.writelines(f"{problem}\n" for problem in problems)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
