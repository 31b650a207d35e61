"""What `init` asks of whole folders, what the answers make of a declaration, and what the page of the data shows."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl
import pytest

from platform_assets.cli.init import write_declaration
from platform_assets.declaration import UseCase, load_use_case
from platform_assets.onboarding.answers import answering_from, by_default, read_answers, write_answers
from platform_assets.onboarding.data_page import data_page
from platform_assets.onboarding.facts import OnboardingError
from platform_assets.onboarding.interview import Question, Reply, Understanding, understand, usable
from platform_assets.onboarding.tables import tables_at
from platform_assets.testing.team_folders import TEAM_FOLDERS, TeamFolder

LIMIT_BYTES = 300_000
FOLDERS = {each.name: each for each in TEAM_FOLDERS}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """The files of every team, by the name of its use case."""
    made = {}
    for team in TEAM_FOLDERS:
        made[team.name] = tmp_path_factory.mktemp(team.name)
        team.write(made[team.name])
    return made


def understood(folder: Path, answers: Mapping[str, str]) -> Understanding:
    return understand(tables_at(str(folder)), answering_from(answers, by_default))


def declared(tmp_path: Path, folder: Path, answers: Mapping[str, str]) -> tuple[UseCase, str]:
    target = tmp_path / "defs.yaml"
    write_declaration("team", target, tables_at(str(folder)), answering_from(answers, by_default), None)
    return load_use_case(target), target.read_text()


@pytest.mark.parametrize("team", TEAM_FOLDERS, ids=list(FOLDERS))
def test_a_folder_with_its_dirt_becomes_a_declaration_that_loads(
    tmp_path: Path, written: Mapping[str, Path], team: TeamFolder
) -> None:
    use_case, text = declared(tmp_path, written[team.name], team.answers)
    assert use_case.label.column == team.label
    assert set(team.leaks).isdisjoint({*use_case.feature_names, *use_case.serving.request})
    assert "change_me" not in text
    for key in team.answers:
        assert "# answer: " in text, key


@pytest.mark.parametrize("team", TEAM_FOLDERS, ids=list(FOLDERS))
def test_the_page_is_small_shows_the_leaks_and_has_both_themes(written: Mapping[str, Path], team: TeamFolder) -> None:
    page = data_page(team.name, understood(written[team.name], team.answers))
    assert len(page.encode()) < LIMIT_BYTES
    assert "prefers-color-scheme:dark" in page
    assert "http" not in page, "self-contained"
    for leak in team.leaks:
        assert f"<code>{leak}</code>" in page


def test_a_label_that_is_known_later_is_a_source_of_its_own_on_the_same_files(
    tmp_path: Path, written: Mapping[str, Path]
) -> None:
    use_case, _ = declared(tmp_path, written["churn"], FOLDERS["churn"].answers)
    assert use_case.label_source.name == "labels"
    assert use_case.label_source.connector == use_case.event_source.connector
    assert use_case.label_delay_days == 31
    assert use_case.training.splits.delay_days == 31
    assert "churn" not in use_case.event_source.column_names
    assert use_case.event_source.column("total_charges").missing == ("",), "a blank among numbers"
    assert use_case.entities[0].key == "customer_id"
    assert use_case.event_source.quality.max_refused_ratio > 0.02, "rows that were delivered twice pass"


def test_costs_make_the_threshold(tmp_path: Path, written: Mapping[str, Path]) -> None:
    use_case, _ = declared(tmp_path, written["claims"], FOLDERS["claims"].answers)
    decision = use_case.serving.decision
    assert decision is not None
    assert decision.threshold == pytest.approx(60 / 2560, rel=0.01)
    assert decision.costs is not None
    assert decision.costs.missed == 2500
    assert getattr(use_case.event_source.connector, "encoding", "") == "windows-1252"


def test_failures_in_another_file_are_the_label_and_their_delay_is_measured(
    tmp_path: Path, written: Mapping[str, Path]
) -> None:
    use_case, text = declared(tmp_path, written["breakdowns"], {})
    label = use_case.label
    assert (use_case.events, label.source, label.decided_at, label.absent) == ("runs", "failures", "reported_at", 0)
    assert label.complete_after_days == 6
    assert "2 of 594 rows are of no event here" in text
    assert use_case.event_source.column("air_temperature").nullable, "a sensor that was off is NaN"


@pytest.mark.parametrize(
    ("visits", "complaints", "says"),
    [
        ("visit,ward", "ward", "complaints has no visit, by which a row of visits is found again: add it to complaints, or put"),
        ("visit,ward", "visit,ward", "visit is string in complaints and int64 in visits: deliver it the same way in both"),
        ("ward,bed", "ward", "complaints cannot say what became of a row of visits, for nothing identifies one: add an identifier"),
    ],
)  # fmt: skip
def test_a_table_of_outcomes_without_the_key_of_the_events_is_refused_with_what_it_lacks(
    tmp_path: Path, visits: str, complaints: str, says: str
) -> None:
    def rows(columns: str, count: int, visit: str) -> str:
        values = {"visit": visit, "ward": "{0}", "bed": "{1}"}
        line = ",".join(values[name] for name in columns.split(","))
        return "".join(f"2026-01-{1 + one % 28:02},{line.format(one % 3, one % 5, one)}\n" for one in range(count))

    (tmp_path / "visits.csv").write_text(f"at,{visits}\n{rows(visits, 400, '{2}')}")
    (tmp_path / "complaints.csv").write_text(f"filed_on,{complaints}\n{rows(complaints, 40, 'no {2}')}")
    with pytest.raises(OnboardingError) as refused:
        understood(tmp_path, {"label": "complaints"})
    assert says in str(refused.value)
    asked: dict[str, Question] = {}

    def nobody(question: Question) -> Reply:
        asked[question.key] = question
        return by_default(question)

    understand(tables_at(str(tmp_path)), nobody)
    assert asked["label"].default == ""
    assert says in asked["label"].why, "who is asked reads it before the answer"


def test_one_file_for_each_table_and_one_glob_for_files_side_by_side(tmp_path: Path) -> None:
    for month in ("01", "02"):
        (tmp_path / f"visits_2026-{month}.csv").write_text(f"id,at,is_back\n{month},2026-{month}-01,0\n")
    (tmp_path / "wards.csv").write_text("ward,city\nnorth,Ulm\n")
    tables = tables_at(str(tmp_path))
    assert [table.name for table in tables] == ["visits", "wards"]
    assert tables[0].facts.connector["path"] == str(tmp_path / "visits_2026-0*.csv")
    (tmp_path / "visits_2026-0x.csv").write_text("other,columns\n1,2\n")
    with pytest.raises(OnboardingError, match="move each table into a folder of its own"):
        tables_at(str(tmp_path))


def test_a_column_with_a_value_for_one_answer_only_is_a_leak_that_somebody_may_take_back(
    written: Mapping[str, Path],
) -> None:
    guessed = understood(written["churn"], {})
    assert "churn_reason" in {item.value for item in guessed.guesses.left_out}
    taken_back = understood(written["churn"], {"not_known_then": ""})
    assert "churn_reason" in taken_back.guesses.categories
    more = understood(written["churn"], {"not_known_then": "ChurnReason, tenure"})
    assert "tenure" not in more.guesses.features


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        ({"label": "chrun"}, "did you mean churn?"),
        ({"known_after_days": "soon"}, "'soon' is no number of days"),
        ({"missed": "much"}, "'much' is no amount"),
        ({"owner": "me"}, "neither `team:name` nor an e-mail address"),
    ],
)
def test_an_answer_that_cannot_be_used_is_refused_with_its_question(
    written: Mapping[str, Path], answers: dict[str, str], says: str
) -> None:
    with pytest.raises(OnboardingError, match=says) as refused:
        understood(written["churn"], answers)
    assert next(iter(answers)) in str(refused.value)


def test_answers_are_kept_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "room" / "answers.yaml"
    kept = {"label": "betrug", "known_after_days": "14", "purpose": "Größe: what to look at"}
    write_answers(path, kept)
    assert read_answers(path) == kept
    path.write_text("lable: betrug\n")
    with pytest.raises(OnboardingError, match=r"no question 'lable'.*did you mean 'label'"):
        read_answers(path)
    path.write_text("- one\n")
    with pytest.raises(OnboardingError, match="holds no answers"):
        read_answers(path)


def test_every_question_has_an_answer_that_holds_when_nobody_gives_one(written: Mapping[str, Path]) -> None:
    asked: list[Question] = []

    def ask(question: Question) -> Reply:
        asked.append(question)
        return by_default(question)

    understand(tables_at(str(written["breakdowns"])), ask)
    assert [question.key for question in asked[:3]] == ["events", "row", "label"]
    assert all(question.why for question in asked)
    assert all(usable(question, question.default) == question.default for question in asked)


def test_files_of_one_table_may_have_their_columns_in_another_order(written: Mapping[str, Path]) -> None:
    frame = tables_at(str(written["churn"]))[0].facts.frame
    assert frame["month"].dtype == pl.Datetime("us", "UTC")
    assert frame["customer_id"].str.contains(r"^\d+-[A-Z]{2}$").all()
