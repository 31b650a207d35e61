"""`dg scaffold defs` writes a use case that loads, and `dg check defs` points at what is wrong with one."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAME = "late_parcels"
COMMAND_SECONDS = 120
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class ProjectCopy:
    """The project in a folder that tests may write to."""

    root: Path

    @property
    def declaration(self) -> Path:
        return self.root / "platform_assets" / "defs" / NAME / "defs.yaml"

    def dg(self, *arguments: str) -> tuple[int, str]:
        """Run `dg` in the copy.

        Returns:
            Exit code, and what was printed without colours.
        """
        environment = {
            **os.environ,
            "PYTHONPATH": str(self.root),
            "DAGSTER_HOME": str(self.root),
            "PLATFORM_ASSETS_HOME": str(self.root / "home"),
            "PLATFORM_ASSETS_DAGSTER": str(self.root / "home"),
        }
        done = subprocess.run(
            [Path(sys.executable).with_name("dg"), *arguments],
            cwd=self.root,
            env=environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        return done.returncode, COLOURS.sub("", done.stdout + done.stderr)


@pytest.fixture(scope="module")
def project_copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProjectCopy]:
    """A copy in which `dg scaffold defs` was run; another use case would only make it slower, so there is none."""
    root = tmp_path_factory.mktemp("project")
    for name in ("pyproject.toml", "workspace.yaml", "dagster.yaml"):
        shutil.copyfile(ROOT / name, root / name)
    for name in ("platform_assets", "serving"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.rmtree(root / "platform_assets" / "defs" / "card_fraud")
    (root / "home").mkdir()
    copy = ProjectCopy(root)
    code, printed = copy.dg("scaffold", "defs", "platform_assets.MlUseCase", NAME)
    assert code == 0, printed
    yield copy
    shutil.rmtree(root)


@pytest.fixture
def declaration(project_copy: ProjectCopy) -> Iterator[Path]:
    """The scaffolded file, put back as it was afterwards."""
    written = project_copy.declaration.read_text()
    yield project_copy.declaration
    project_copy.declaration.write_text(written)


def test_a_scaffolded_use_case_loads_as_it_is(project_copy: ProjectCopy) -> None:
    assert [path.name for path in project_copy.declaration.parent.iterdir()] == ["defs.yaml"]
    code, printed = project_copy.dg("check", "defs")
    assert code == 0, printed
    assert "All definitions loaded successfully" in printed
    code, printed = project_copy.dg("list", "defs", "--assets", f"key:{NAME}/*", "--json")
    assert code == 0, printed
    for asset in ("clean/events", "features/user_activity", "model/classifier", "serving/deployment"):
        assert f"{NAME}/{asset}" in printed


@pytest.mark.parametrize(
    ("right", "wrong", "field"),
    [
        pytest.param("column: outcome}", "column: outcomme}", "label.column", id="a column that does not exist"),
        pytest.param("task: binary", "task: binray", "training.task", id="a value that is not allowed"),
        pytest.param("select_by:", "selected_by:", "training.selected_by", id="a field that is not known"),
    ],
)
def test_a_mistake_is_named_by_file_line_and_field(
    project_copy: ProjectCopy, declaration: Path, right: str, wrong: str, field: str
) -> None:
    text = declaration.read_text()
    assert text.count(right) == 1
    declaration.write_text(text.replace(right, wrong))
    line = next(number for number, line in enumerate(text.splitlines(), start=1) if right in line)
    code, printed = project_copy.dg("check", "defs")
    assert code != 0
    assert field in printed
    # dagster counts a field's line where its value begins
    assert re.search(rf"{NAME}/defs\.yaml:{line}\b", printed), printed
    assert " | " not in printed, "a mistake has one line, and none of the file around it"
