"""A change as a comment in Markdown: what is broken first, then what it changes, details folded.

Belongs here: the text. Does not belong here: what differs (`report.py`), or sending it anywhere (`deploy/ci/`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from platform_assets.pipelines.change.check import GateOutcome, acceptance_of
from platform_assets.pipelines.change.report import ChangeEntry
from platform_assets.pipelines.change.sides import RepositoryChange

MARKER = "<!-- platform-assets change -->"
"""First line of the comment, by which it is found and replaced when the change grows."""
SHOWN_AT_ONCE = 5
_MOST_ENTRIES = 60
_MOST_CHARACTERS = 60_000
"""A comment on GitHub holds 65,536."""


def comment_on(
    change: RepositoryChange,
    report: Mapping[str, Sequence[ChangeEntry]],
    outcomes: Sequence[GateOutcome],
    more: Sequence[str] = (),
) -> str:
    """The comment.

    Args:
        change: both sides.
        report: what differs, by subject.
        outcomes: of the gates.
        more: sections about sample runs of both sides, as they are.
    """
    lines = [
        MARKER,
        f"### {_headline(report, outcomes)}",
        "",
        f"Compared with `{change.base}` at `{change.commit}`.",
        "",
    ]
    lines += _findings(outcomes)
    for section in more:
        lines += [section, ""]
    for subject, entries in report.items():
        lines += _subject(subject, entries)
    lines += _gates(outcomes)
    text = "\n".join(lines).rstrip() + "\n"
    if len(text) > _MOST_CHARACTERS:
        text = (
            text[:_MOST_CHARACTERS].rpartition("\n")[0] + "\n\nThe rest is left out; `change diff` prints all of it.\n"
        )
    return text


def _headline(report: Mapping[str, Sequence[ChangeEntry]], outcomes: Sequence[GateOutcome]) -> str:
    broken = [outcome.name for outcome in outcomes if not outcome.passed]
    if broken:
        return f"❌ {len(broken)} of {len(outcomes)} gates broken: {', '.join(broken)}"
    kept = f"✅ all {len(outcomes)} gates kept" if outcomes else "What changes"
    if not report:
        return f"{kept}; nothing about any use case changes"
    return f"{kept}; {', '.join(f'{subject}: {len(entries)}' for subject, entries in report.items())}"


def _findings(outcomes: Sequence[GateOutcome]) -> Iterator[str]:
    for outcome in outcomes:
        for finding in outcome.broken:
            place = f"`{finding.file}:{finding.line}` " if finding.file else ""
            yield f"- **{outcome.name}** {place}{_plain(finding.message)}. To do: {_plain(finding.next_step)}."
    for outcome in outcomes:
        for finding, entry in outcome.accepted:
            yield (
                f"- ⚠️ **{outcome.name}** accepted by {_plain(entry.who)} until {entry.until}: {_plain(finding.message)} "
                f"({_plain(entry.why)})"
            )
    acceptances = [acceptance_of(finding) for outcome in outcomes for finding in outcome.broken]
    if any(acceptances):
        yield from [
            "",
            "<details><summary>Where somebody answers for it: <code>accepted_changes.yaml</code></summary>",
            "",
            "```yaml",
        ]
        yield from dict.fromkeys(filter(None, acceptances))
        yield from ["```", "", "</details>"]
    if any(outcome.broken or outcome.accepted for outcome in outcomes):
        yield ""


def _subject(subject: str, entries: Sequence[ChangeEntry]) -> Iterator[str]:
    signs = {"added": "+", "removed": "−", "changed": "~"}
    listed = [
        f"- {signs[entry.kind]} `{entry.thing}`{f' {_plain(entry.detail)}' if entry.detail else ''}"
        for entry in entries[:_MOST_ENTRIES]
    ]
    if len(entries) > _MOST_ENTRIES:
        listed.append(f"- and {len(entries) - _MOST_ENTRIES} more")
    if len(entries) <= SHOWN_AT_ONCE:
        yield from [f"**{subject.capitalize()}**", "", *listed, ""]
    else:
        yield from [
            f"<details><summary><b>{subject.capitalize()}</b>: {len(entries)}</summary>",
            "",
            *listed,
            "",
            "</details>",
            "",
        ]


def _gates(outcomes: Sequence[GateOutcome]) -> Iterator[str]:
    if outcomes:
        yield from ["<details><summary>Gates</summary>", "", "| | gate | holds that |", "|---|---|---|"]
        yield from (
            f"| {'✅' if outcome.passed else '❌'} | {outcome.name} | {outcome.about} |" for outcome in outcomes
        )
        yield from ["", "</details>", ""]


def _plain(text: str) -> str:
    """Text of a declaration as text: it can close no fold, mention nobody and begin no link."""
    for sign, instead in (("&", "&amp;"), ("<", "&lt;"), ("\n", " "), ("@", "@\u200b"), ("[", "\\["), ("|", "\\|")):
        text = text.replace(sign, instead)
    return text
