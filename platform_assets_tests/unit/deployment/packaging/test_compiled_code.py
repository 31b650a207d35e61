"""Machine code of an installation, handed to a Bento: taken where the sources are the same, and nowhere else."""

import importlib.util
import shutil
from pathlib import Path
from typing import Any

import pytest

from platform_assets.deployment.packaging.compiled_code import hand_on_compiled

SOURCE = """import numba

@numba.njit("int64(int64)", cache=True)
def doubled(number):
    return 2 * number
"""


def loaded(file: Path) -> Any:
    spec = importlib.util.spec_from_file_location("loops", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.doubled


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    folder = tmp_path / "installed" / "package"
    folder.mkdir(parents=True)
    (folder / "loops.py").write_text(SOURCE)
    (folder / "plain.py").write_text("value = 1\n")
    assert loaded(folder / "loops.py").stats.cache_misses, "or nothing was compiled"
    return tmp_path / "installed"


def packed(tmp_path: Path, source: str) -> Path:
    folder = tmp_path / "packed" / "package"
    folder.mkdir(parents=True)
    (folder / "loops.py").write_text(source)
    (folder / "plain.py").write_text("value = 1\n")
    return folder.parent


def test_a_bento_does_not_compile_what_the_installation_has(installed: Path, tmp_path: Path) -> None:
    code = packed(tmp_path, SOURCE)
    assert hand_on_compiled(installed, code) == 1
    function = loaded(code / "package" / "loops.py")
    assert (sum(function.stats.cache_hits.values()), sum(function.stats.cache_misses.values())) == (1, 0)
    assert function(21) == 42


def test_other_sources_are_compiled_for_themselves(installed: Path, tmp_path: Path) -> None:
    """As long as the source and as old: numba would take the code for this one's."""
    code = packed(tmp_path, SOURCE.replace("2 *", "3 *"))
    assert hand_on_compiled(installed, code) == 0
    assert loaded(code / "package" / "loops.py")(14) == 42


def test_an_installation_that_has_compiled_nothing_hands_on_nothing(installed: Path, tmp_path: Path) -> None:
    shutil.rmtree(installed / "package" / "__pycache__")
    code = packed(tmp_path, SOURCE)
    assert hand_on_compiled(installed, code) == 0
    assert not (code / "package" / "__pycache__").exists()
