"""What becomes of deleted rows, by declaration: mistakes name their field."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from platform_assets.declaration import DeclarationError, load_use_case
from platform_assets.declaration.template import use_case_template

INCREMENTAL = {"kind": "change_feed", "path": "in"}
BY_DAY = {"kind": "files", "format": "csv", "path": "in/{event_day}.csv"}


def declared(tmp_path: Path, connector: dict[str, Any], changes: dict[str, Any], column: str | None = None) -> Path:
    document = yaml.safe_load(use_case_template("churn"))
    attributes = document["attributes"]
    source = next(source for source in attributes["sources"] if source["name"] == attributes["events"])
    source |= {"connector": connector, "changes": changes}
    if column:
        source["columns"].append({"name": column, "type": "int64", "description": "A column"})
    (tmp_path / "defs.yaml").write_text(yaml.safe_dump(document))
    return tmp_path


def test_hard_is_what_happens_where_nothing_is_said(tmp_path: Path) -> None:
    use_case = load_use_case(declared(tmp_path, INCREMENTAL, {}))
    assert use_case.event_source.changes.deletes == "hard"


@pytest.mark.parametrize("deletes", ["soft", "history"])
def test_a_source_without_changes_cannot_keep_deleted_rows(tmp_path: Path, deletes: str) -> None:
    assert load_use_case(declared(tmp_path, INCREMENTAL, {"deletes": deletes}))
    with pytest.raises(DeclarationError, match=r"changes\.deletes.*is not incremental"):
        load_use_case(declared(tmp_path, BY_DAY, {"deletes": deletes}))


def test_columns_of_the_platform_are_not_declared(tmp_path: Path) -> None:
    assert load_use_case(declared(tmp_path, INCREMENTAL, {}, "valid_from"))
    with pytest.raises(DeclarationError, match="the table of all versions has a column of this name"):
        load_use_case(declared(tmp_path, INCREMENTAL, {"deletes": "history"}, "valid_from"))
    with pytest.raises(DeclarationError, match="reserved"):
        load_use_case(declared(tmp_path, INCREMENTAL, {"deletes": "soft"}, "is_deleted"))
