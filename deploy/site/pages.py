"""The pages of docs/ in the order to read them in, as three index pages list them; the site's navigation and llms.txt come from it.

Belongs here: reading the index pages, and `python deploy/site/pages.py`, which writes llms.txt. Does not belong here: what
MkDocs is told (`hooks.py`, `mkdocs.yml`).
"""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
HEADING = re.compile(r"^(##+) (.+)$")
ENTRY = re.compile(r"^- \[(?P<title>[^]]+)\]\((?P<path>[^)#]+)\): (?P<line>.+)$")
ROW = re.compile(r"^\| \[(?P<title>[^]]+)\]\((?P<path>[^)#]+)\)(?: \([^|]*\))? \| (?P<line>.+?) \|$")
LINK = re.compile(r"\]\(([^)#]+)\)")
TABLES = {"Decisions": "decisions/README.md", "Reports": "reports/README.md"}


class Page(NamedTuple):
    """One page.

    Attributes:
        sections: the headings that it stands below, outermost first.
        title: its name in the navigation.
        path: below docs/.
        line: what stands on it.
    """

    sections: tuple[str, ...]
    title: str
    path: str
    line: str


def listed() -> list[Page]:
    """Every page that an index page lists, in reading order."""
    pages = []
    sections: tuple[str, ...] = ()
    for text in (DOCS / "README.md").read_text(encoding="utf-8").splitlines():
        if heading := HEADING.match(text):
            depth = len(heading[1]) - 2
            sections = (*sections[:depth], heading[2])
        elif entry := ENTRY.match(text):
            pages.append(Page(sections, entry["title"], entry["path"], entry["line"]))
    for section, path in TABLES.items():
        index = DOCS / path
        pages.append(Page((section,), section, path, f"all {section.lower()} in a table"))
        for text in index.read_text(encoding="utf-8").splitlines():
            if row := ROW.match(text):
                title = f"{row['title']} {row['line']}" if section == "Decisions" else row["title"]
                pages.append(Page((section,), title, f"{index.parent.name}/{row['path']}", row["line"]))
    return pages


def llms_txt() -> str:
    """The index for an assistant, in the form of llmstxt.org: what this is, and each page with a line."""
    introduction = (Path(__file__).parent / "llms-introduction.txt").read_text(encoding="utf-8").strip()
    lines = [introduction]
    section: tuple[str, ...] = ()
    for page in listed():
        if page.sections != section:
            section = page.sections
            lines += ["", f"## {': '.join(section)}", ""]
        lines.append(f"- [{page.title}](docs/{page.path}): {page.line}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    (ROOT / "llms.txt").write_text(llms_txt(), encoding="utf-8")
