"""What the changelog says of an older declaration: what is refused names what to write, and what still loads means what is said there."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import platform_assets
from platform_assets.declaration import DeclarationError, load_use_case
from platform_assets.testing.declare import declaration, row, write_declaration

Change = Callable[[dict[str, Any]], Any]
CHANGELOG = Path(platform_assets.__file__).parents[1] / "CHANGELOG.md"


def older() -> dict[str, Any]:
    """As somebody wrote it before any of this."""
    document = declaration(
        events={"visit": "int64", "at": "datetime", "lot": "int32", "speed": "float64"},
        label="unpaid",
        features=["speed", {"name": "more", "rows": [row("double", "speed * 2")]}],
        training={"group": "lot"},
    )
    del document["serving"]["unknown"]
    return document


def metric(document: dict[str, Any], name: str) -> None:
    document["training"] |= {"metrics": ["auc_roc", name], "select_by": name}
    document["monitoring"]["quality_metric"] = name


def expression(document: dict[str, Any], text: str) -> None:
    document["features"][1]["rows"][0]["expression"] = text


REFUSED: dict[str, tuple[Change, str]] = {
    "card_precision_at_100": (lambda d: metric(d, "card_precision_at_100"), "is called group_precision_at_100 now"),
    "label.decided_at": (
        lambda d: d["sources"][1].update(arrival_delay_days=0),
        r"label\.decided_at: .*Name the column",
    ),
    "a clock": (lambda d: expression(d, "CASE WHEN at > NOW() THEN 1 ELSE 0 END"), r"expression: .*clock"),
    "many rows": (lambda d: expression(d, "speed - AVG(speed)"), r"expression: .*other rows"),
    "DOUBLE": (lambda d: expression(d, "CAST(speed AS DECIMAL(10, 2))"), r"expression: .*cast to DOUBLE"),
    "serving.licence": (lambda d: d["serving"].update(platform="seldon"), r"serving\.licence: .*licence"),
}


@pytest.mark.parametrize(("change", "says"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_refused_names_what_to_write(tmp_path: Path, change: Change, says: str) -> None:
    document = older()
    change(document)
    with pytest.raises(DeclarationError, match=rf"defs\.yaml:\d+: .*{says}"):
        load_use_case(write_declaration(tmp_path / "small", document))


def test_a_key_that_stands_twice_is_refused_with_its_line(tmp_path: Path) -> None:
    path = write_declaration(tmp_path / "small", older())
    text, owner = path.read_text(), "owner: team:tests\n"
    assert owner in text
    path.write_text(text.replace(owner, f"{owner}  {owner}", 1))
    with pytest.raises(DeclarationError, match=r"defs\.yaml:\d+: owner"):
        load_use_case(path)


@pytest.mark.parametrize(("written", "meant"), [("yes", True), ("off", False), ("No", False)])
def test_words_for_a_boolean_mean_one_where_one_stands_and_themselves_elsewhere(
    tmp_path: Path, written: str, meant: bool
) -> None:
    path = write_declaration(tmp_path / "small", older())
    text, column = path.read_text(), "type: float64\n"
    assert column in text
    path.write_text(
        text.replace(column, f"{column}      nullable: {written}\n", 1).replace(
            "description: small", f"description: {written}", 1
        )
    )
    use_case = load_use_case(path)
    assert use_case.event_source.column("speed").nullable is meant
    assert use_case.description == written


def test_what_is_not_declared_has_the_default_that_is_said(tmp_path: Path) -> None:
    use_case = load_use_case(write_declaration(tmp_path / "small", older()))
    assert use_case.serving.processes == 2
    assert use_case.serving.unknown is None, "the model decides, and the gate asks"
    assert use_case.gates.plausible_by_default
    assert use_case.event_source.repeated_keys in (None, "quarantine")


def test_the_changelog_has_a_row_for_each() -> None:
    _, _, rest = CHANGELOG.read_text(encoding="utf-8").partition("#### An older declaration")
    table = rest.partition("\n### ")[0]
    assert [name for name in REFUSED if name not in table] == []
    for name in ("serving.unknown", "serving.processes", "gates.plausible", "repeated_keys", "`true`, `false`"):
        assert name in table
