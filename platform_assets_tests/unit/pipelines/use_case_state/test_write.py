"""The folder of pages: each file replaced at once, and the page of all made from one small file for each use case."""

from pathlib import Path

import pytest

from platform_assets.deployment.serving_home import ServingHome
from platform_assets.monitoring.use_case_page.findings import with_findings
from platform_assets.pipelines.use_case_state.write import SUMMARIES, read_summaries, write_index, write_use_case_page
from platform_assets_tests.unit.monitoring.use_case_page.states import NOW, healthy

MOST_BYTES_OF_A_LINE = 2_000


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Files that were read."""
    files: list[Path] = []
    read_bytes = Path.read_bytes

    def noting(path: Path) -> bytes:
        files.append(path)
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", noting)
    return files


def test_the_page_of_all_reads_one_small_file_for_each_use_case(tmp_path: Path, read: list[Path]) -> None:
    serving = ServingHome(str(tmp_path), 18_700)
    names = [f"use_case_{one}" for one in range(5)]
    for name in names:
        write_use_case_page(with_findings(healthy(use_case=name)), serving)
    read.clear()
    index = write_index(serving.page_folder(), NOW).read_text()
    assert sorted(path.stem for path in read) == names
    assert all(path.stat().st_size < MOST_BYTES_OF_A_LINE for path in read)
    assert all(f'href="/v1/{name}/page"' in index for name in names)
    left = [path.name for path in serving.page_folder().rglob("*") if path.name.startswith(".")]
    assert left == [], "a file beside was renamed"


def test_a_line_of_another_version_is_left_out_until_it_is_written_again(tmp_path: Path) -> None:
    serving = ServingHome(str(tmp_path), 18_700)
    for name in ("old", "young"):
        write_use_case_page(with_findings(healthy(use_case=name)), serving)
    (serving.page_folder() / SUMMARIES / "old.json").write_text('{"format": 0}')
    assert [one.use_case for one in read_summaries(serving.page_folder())] == ["young"]
