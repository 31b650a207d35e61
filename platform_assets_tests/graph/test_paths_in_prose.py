"""Files and folders that prose names exist: in documents, docstrings and comments, links between documents included."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = "|".join(
    path.name for path in (ROOT / "platform_assets").iterdir() if path.is_dir() and path.name.isidentifier()
)
TOP = "platform_assets_tests|platform_assets|serving|benchmarks|deploy|docs"
PATH = re.compile(rf"(?<![\w./{{}}-])((?:{TOP}|{ROOMS})/[\w./-]*[\w/])(?![\w{{*<])")
MODULE = re.compile(r"(?<![\w./])((?:platform_assets|benchmarks)(?:\.[a-z_]\w*)+)(?!\.md)")
LINK = re.compile(r"\]\(([^)\s#]+)(?:#[^)]*)?\)")
MADE_BY_USERS = ("platform_assets/defs/churn", "platform_assets/defs/parking", "docs/guide/unlisted.md")
"""What a reader is asked to write."""


def prose() -> Iterator[tuple[Path, str]]:
    """Text of every document and every Python file."""
    listed = subprocess.run(
        ["git", "ls-files", "*.md", "*.py", "Makefile", "*.yaml"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.split():
        path = ROOT / name
        if path.exists() and not name.startswith("docs/reports/") and name != "CHANGELOG.md":
            yield path, path.read_text(encoding="utf-8")


def is_module(name: str) -> bool:
    """Whether a dotted name is a module, or a name in one."""
    path = ROOT / name.replace(".", "/")
    return path.is_dir() or path.with_suffix(".py").is_file() or path.parent.with_suffix(".py").is_file()


def exists(name: str) -> bool:
    """Whether a path is there, below the root, the package or the tests."""
    return any((folder / name).exists() for folder in (ROOT, ROOT / "platform_assets", ROOT / "platform_assets_tests"))


def test_every_file_and_folder_that_is_named_exists() -> None:
    lacking = []
    for path, text in prose():
        for match in PATH.finditer(text):
            name = match[1].rstrip("./")
            is_certain = name.endswith((".py", ".md", ".yaml")) or match[1].endswith("/")
            if is_certain and not name.startswith(MADE_BY_USERS) and not exists(name):
                lacking.append(f"{path.relative_to(ROOT)}: {match[1]}")
    assert not lacking, "\n".join(sorted(set(lacking)))


def test_every_module_that_a_document_names_exists() -> None:
    lacking = [
        f"{path.relative_to(ROOT)}: {match[1]}"
        for path, text in prose()
        if path.suffix == ".md"
        for match in MODULE.finditer(text)
        if not match[1].startswith("platform_assets.defs.")
        and not is_module(match[1])
        and not is_module(match[1].rpartition(".")[0])
    ]
    assert not lacking, "\n".join(sorted(set(lacking)))


def test_links_between_documents_lead_somewhere() -> None:
    broken = [
        f"{path.relative_to(ROOT)}: {match[1]}"
        for path, text in prose()
        if path.suffix == ".md"
        for match in LINK.finditer(text)
        if not match[1].startswith("http") and not Path(os.path.normpath(path.parent / match[1])).exists()
    ]
    assert not broken, "\n".join(broken)
