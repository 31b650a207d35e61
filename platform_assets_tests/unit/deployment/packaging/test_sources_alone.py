"""A packed service runs its sources: a compiled file that somebody puts beside them does not run in their place."""

import importlib.util
import os
import py_compile
import subprocess
import sys
from pathlib import Path

import pytest

from platform_assets.deployment.packaging import start


def planted(folder: Path, module: str, compiled: str) -> None:
    """A compiled file of other code that claims to be made from the module's source."""
    source = folder / f"{module.replace('.', '/')}.py"
    other = folder / "other.py"
    other.write_text(compiled + "#" * (source.stat().st_size - len(compiled)))
    os.utime(other, ns=(source.stat().st_mtime_ns, source.stat().st_mtime_ns))
    py_compile.compile(str(other), importlib.util.cache_from_source(str(source)), doraise=True)
    other.unlink()


def run(folder: Path, *command: str) -> str:
    done = subprocess.run([sys.executable, *command], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("module", ["service.helper", "service.__main__", "service.__init__"])
def test_a_planted_compiled_file_does_not_run(tmp_path: Path, module: str) -> None:
    package = tmp_path / "service"
    package.mkdir()
    padding = "#" * 200 + "\n"
    (package / "__init__.py").write_text(padding)
    (package / "helper.py").write_text(f"WORD = 'right'\n{padding}")
    (package / "__main__.py").write_text(
        f"import sys\nfrom service.helper import WORD\nprint(WORD, *sys.argv[1:], __name__)\n{padding}"
    )
    wrong = "WORD = 'planted'\n" if module.endswith("helper") else "print('planted')\n"
    planted(tmp_path, module, wrong)
    assert "planted" in run(tmp_path, "-m", "service"), "or this test proves nothing"
    before = sorted(tmp_path.rglob("*"))
    said = run(tmp_path, "-B", "-P", start.__file__, str(tmp_path), "service", "--port", "80")
    assert said == "right --port 80 __main__\n"
    assert sorted(tmp_path.rglob("*")) == before, "and nothing compiled is written"


def test_a_compiled_file_without_a_source_is_no_module(tmp_path: Path) -> None:
    (tmp_path / "service.py").write_text("import extra\n")
    (tmp_path / "extra.py").write_text("print('planted')\n")
    py_compile.compile(str(tmp_path / "extra.py"), str(tmp_path / "extra.pyc"))
    (tmp_path / "extra.py").unlink()
    command = [sys.executable, "-B", "-P", start.__file__, str(tmp_path), "service"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "No module named 'extra'" in done.stderr
