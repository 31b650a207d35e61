"""How far a run is: the jobs before it, counted once, and the time that they took before."""

from datetime import date
from pathlib import Path

from platform_assets.cli.console import console
from platform_assets.cli.run.progress import FILE, RunProgress, in_words
from platform_assets.cli.run.summary import verdict_line
from platform_assets.declaration.days import DayRange
from platform_assets.declaration.loader import load_use_case
from platform_assets.orchestration.in_process import CheckOutcome
from platform_assets.pipelines.check_service import ServiceCheck
from platform_assets.pipelines.due import DueJob, evidence_table
from platform_assets.pipelines.jobs import LABELS, LOAD, ONLINE, REFERENCE, TRAIN, job_tables
from platform_assets.pipelines.run_visits import jobs_ahead
from platform_assets.pipelines.timeline import plan

CARD_FRAUD = Path(__file__).parents[3] / "platform_assets" / "defs" / "card_fraud"


def test_the_jobs_of_a_run_are_known_before_it_begins() -> None:
    use_case = load_use_case(CARD_FRAUD)
    days = plan(use_case)
    fresh = [job.job for job in jobs_ahead(use_case, days, {})]
    assert fresh[:5] == [REFERENCE, LABELS, LOAD, ONLINE, TRAIN]
    assert fresh.count(LOAD) == 1 + len(days.live.days), "the history in one run, then each live day"
    done = {table: dict.fromkeys(days.history.days, 1) for table in job_tables(use_case)[LOAD]}
    done |= {table: {None: 1} for table in job_tables(use_case)[REFERENCE]}
    again = [job.job for job in jobs_ahead(use_case, days, done)]
    assert REFERENCE not in again
    assert again.count(LOAD) == len(days.live.days)
    assert evidence_table(use_case, LOAD) in done, "what is there is told by the table that a load makes last"


def test_a_step_says_which_it_is_and_how_long_the_rest_takes(tmp_path: Path) -> None:
    day = date(2026, 3, 1)
    jobs = [DueJob(REFERENCE), DueJob(LOAD, DayRange(day, day)), DueJob(LOAD, DayRange(day, date(2026, 3, 10)))]

    def shown(progress: RunProgress, job: DueJob) -> str:
        with console.capture() as captured, progress.step("something", job):
            pass
        return captured.get().splitlines()[0]

    first = RunProgress.of(jobs, tmp_path)
    assert shown(first, jobs[0]) == "» something 1 of 3", "nothing was ever seen"
    assert shown(first, jobs[1]) == "» something 2 of 3"
    assert "3 of 3, about 1 s left" in shown(first, jobs[2]), "a day of it took next to nothing"
    assert (tmp_path / FILE).is_file()
    assert "1 of 3, about 1 s left" in shown(RunProgress.of(jobs, tmp_path), jobs[0])
    (tmp_path / FILE).write_text("damaged")
    assert shown(RunProgress.of(jobs, tmp_path), jobs[0]) == "» something 1 of 3"


def test_a_job_that_nobody_foresaw_is_counted_too(tmp_path: Path) -> None:
    progress = RunProgress.of([], tmp_path / "missing")
    with console.capture() as captured, progress.step("once more", DueJob(REFERENCE)):
        pass
    assert captured.get().startswith("» once more 1 of 1")
    assert not (tmp_path / "missing").exists()


def test_a_run_ends_with_ok_or_not() -> None:
    good, bad = CheckOutcome("clean/a", "quality", True, {}), CheckOutcome("clean/a", "quality", False, {})
    warning = CheckOutcome("features/f", "sound", False, {}, warns=True)
    answers = ServiceCheck("shop", deployed=True)
    assert verdict_line("shop", [good], answers, 61.0).endswith("shop, in 61 s: 1 checks passed, the service answers")
    assert "ok" in verdict_line("shop", [good, warning], None, 1.0)
    assert "a warning[/] of features/f:sound" in verdict_line("shop", [good, warning], None, 1.0)
    red = verdict_line("shop", [good, bad], ServiceCheck("shop", deployed=True, problems=("down",)), 1.0)
    assert "not ok" in red
    assert "1 of 2 checks failed (clean/a:quality); the service does not answer rightly" in red


def test_times_are_for_people() -> None:
    assert (in_words(0.2), in_words(40), in_words(200)) == ("1 s", "40 s", "3 min")
