"""Exported projects, run by the orchestrators' own programs in environments of their own.

Belongs here: exporting, running, reading the state of tasks. Does not belong here: what is expected of a run.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MOST_SECONDS = 1500
PLATFORM = f"""\
import sys
from pathlib import Path

sys.path.insert(0, {str(ROOT)!r})
from platform_assets.declaration import loader

if len(sys.argv) > 1 and sys.argv[1].startswith("--declared="):
    loader.DEFINITIONS_FOLDER = Path(sys.argv.pop(1).partition("=")[2])
from platform_assets.cli import app

app(prog_name="platform-assets")
"""


def tool(venv: str, program: str) -> Path:
    """A program of an orchestrator's environment; without it nothing was tried."""
    path = ROOT / venv / "bin" / program
    if not path.exists():
        pytest.fail(
            f"{path.relative_to(ROOT)} is not there: deploy/ci/install-orchestrators.sh makes it, and so does `make export-test`"
        )
    return path


@dataclass(frozen=True)
class ExportedProject:
    """A project in a folder, with a home for the platform and the command that its tasks call.

    Attributes:
        folder: the project.
        home: the platform's.
        use_case: its name.
        declared: folder of declarations; None for those of the package.
    """

    folder: Path
    home: Path
    use_case: str
    declared: Path | None = None

    @property
    def platform(self) -> list[str]:
        """The platform's command."""
        program = self.folder.parent / "platform_program.py"
        program.write_text(PLATFORM, encoding="utf-8")
        return [sys.executable, str(program), *([f"--declared={self.declared}"] if self.declared else [])]

    def environment(self, more: Mapping[str, str]) -> dict[str, str]:
        """What the orchestrator's process sees: nothing of the platform but its home and its command."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        return {
            **kept,
            "STEP_COMMAND": " ".join(self.platform),
            "PLATFORM_ASSETS_HOME": str(self.home),
            "PYTHONDONTWRITEBYTECODE": "1",
            "NO_COLOR": "1",
            **more,
        }

    def export(self, orchestrator: str, *more: str) -> subprocess.CompletedProcess[str]:
        """Write the project, or check it."""
        command = [*self.platform, "export", orchestrator, self.use_case, "--into", str(self.folder), *more]
        return subprocess.run(command, env=self.environment({}), text=True, capture_output=True, check=False, cwd=ROOT)

    def shell(self, command: str, venv: str) -> subprocess.CompletedProcess[str]:
        """Type a command of the project's README, after its `environment.sh`."""
        program = tool(venv, "python").parent
        path = {"PATH": f"{program}:{os.environ['PATH']}"}
        return subprocess.run(
            ["bash", "-c", f". ./environment.sh && {command}"],
            env=self.environment(path),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            cwd=self.folder,
            timeout=MOST_SECONDS,
        )

    def run_airflow(self, as_of: str, since: str = "") -> subprocess.CompletedProcess[str]:
        """One run of the DAG, by `airflow dags test`."""
        asked = json.dumps({"since": since}) if since else "{}"
        return self.shell(
            f"airflow db migrate > db.log 2>&1; airflow dags test {self.use_case} {as_of} -c '{asked}'", ".venv-airflow"
        )

    def run_prefect(self, as_of: str, since: str = "") -> subprocess.CompletedProcess[str]:
        """One run of the flow, with a server that lives as long as the run."""
        return self.shell(f"python {self.use_case}_flow.py --as-of {as_of} --since '{since}'", ".venv-prefect")

    def states_in_airflow(self) -> dict[str, str]:
        """The state of each task of the newest run, by its step."""
        with sqlite3.connect(self.folder / "airflow-home" / "airflow.db") as database:
            [(newest,)] = database.execute("select run_id from dag_run order by id desc limit 1").fetchall()
            rows = database.execute("select task_id, state from task_instance where run_id = ?", (newest,)).fetchall()
        return {task.replace(".", "/", 1): state for task, state in rows}

    def run_state_in_airflow(self) -> str:
        """The state of the newest run."""
        with sqlite3.connect(self.folder / "airflow-home" / "airflow.db") as database:
            [(state,)] = database.execute("select state from dag_run order by id desc limit 1").fetchall()
        return str(state)
