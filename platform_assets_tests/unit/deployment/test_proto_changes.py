"""The gate against changes of the typed proto that break callers: red on each planted one, and of one mind with `buf`."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from platform_assets.cli.main import app
from platform_assets.deployment.proto_changes import breaking_changes
from platform_assets_tests.serving.parking import DECLARATION, use_case
from serving.doors.grpc.protocol import OPEN_INFERENCE, ProtoError
from serving.doors.proto import render_proto

PROTO = render_proto(use_case())
BREAKING = {
    "a field is gone": ("  optional double speed = 4;\n", "", "ScoreRequest.speed (number 4) is gone"),
    "a field has another number": ("string gate = 5", "string gate = 9", "ScoreRequest.gate (number 5) is gone"),
    "a field has another type": ("int32 lot = 3", "int64 lot = 3", "is of type int64 and was int32"),
    "a field has another name": ("double speed = 4", "double velocity = 4", "is called 'velocity' now"),
    "a field is a list": ("optional string gate", "repeated string gate", "is repeated and was with presence"),
    "a field has no presence": ("optional string gate", "string gate", "is without presence and was with presence"),
    "an answer's field is gone": (
        "  optional double probability = 5;\n",
        "",
        "ScoreResponse.probability (number 5) is gone",
    ),
    "the method is gone": ("  rpc Score(ScoreRequest) returns (ScoreResponse);\n", "", "method Scoring.Score is gone"),
    "the method streams": ("returns (ScoreResponse)", "returns (stream ScoreResponse)", "streams otherwise"),
    "another package": ("parking.v1", "parking.v2", "the package is"),
}


@pytest.mark.parametrize("name", BREAKING)
def test_a_breaking_change_is_named(name: str) -> None:
    before, after, words = BREAKING[name]
    changes = breaking_changes(PROTO, PROTO.replace(before, after))
    assert any(words in change for change in changes), changes


def test_what_breaks_nobody_passes() -> None:
    added = PROTO.replace(
        "bool electric = 6;", "bool electric = 6;\n  // May be missing.\n  optional string colour = 7;"
    )
    assert breaking_changes(PROTO, PROTO) == []
    assert breaking_changes(PROTO, added) == []
    assert breaking_changes(OPEN_INFERENCE, OPEN_INFERENCE) == []


def test_a_field_that_has_to_be_sent_from_now_on_breaks_callers() -> None:
    new = PROTO.replace("bool electric = 6;", "bool electric = 6;\n  // Required.\n  optional string colour = 7;")
    assert breaking_changes(PROTO, new) == [
        "ScoreRequest.colour (number 7) is new and required, and callers do not send it: let it be missing (`nullable: true`)"
    ]
    needed = PROTO.replace("// May be missing. electric", "// Required. electric")
    assert breaking_changes(PROTO, needed) == ["ScoreRequest.electric (number 6) is required and might be missing"]


def test_what_is_no_proto_is_said_to_be_none() -> None:
    with pytest.raises(ProtoError, match=r"before\.proto"):
        breaking_changes("message {", PROTO)


def test_the_command_is_a_gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = CliRunner()
    printed = runner.invoke(app, ["proto", "card_fraud"])
    assert printed.exit_code == 0
    file = tmp_path / "scoring.proto"
    file.write_text(printed.stdout)
    assert runner.invoke(app, ["proto", "card_fraud", "--check-against", str(file)]).exit_code == 0
    file.write_text(printed.stdout.replace("double amount = 5", "float amount = 5"))
    red = runner.invoke(app, ["proto", "card_fraud", "--check-against", str(file)])
    assert (red.exit_code, "amount (number 5) is of type double and was float" in red.output) == (1, True)
    file.write_text("no proto")
    wrong = runner.invoke(app, ["proto", "card_fraud", "--check-against", str(file)])
    assert (wrong.exit_code, "is no valid proto" in wrong.output) == (1, True)


def buf(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = shutil.which("buf", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if command is None:
        missing = "buf is not installed: pip install buf-bin"
        assert "CI" not in os.environ, missing
        pytest.skip(missing)
    return subprocess.run([command, *arguments], cwd=folder, capture_output=True, text=True, check=False)


def module(folder: Path, text: str) -> Path:
    place = folder / "platform_assets" / DECLARATION["name"] / "v1"
    place.mkdir(parents=True)
    (place / "scoring.proto").write_text(text)
    settings = {
        "version": "v2",
        "lint": {"use": ["STANDARD"], "service_suffix": "Scoring"},
        "breaking": {"use": ["FILE"]},
    }
    (folder / "buf.yaml").write_text(json.dumps(settings))
    return folder


def test_buf_finds_the_proto_well_made(tmp_path: Path) -> None:
    done = buf(module(tmp_path, PROTO), "lint")
    assert (done.returncode, done.stdout) == (0, "")


def test_buf_finds_the_same_changes_breaking(tmp_path: Path) -> None:
    before = module(tmp_path / "before", PROTO)
    for index, (old, new, _) in enumerate(BREAKING.values()):
        after = module(tmp_path / str(index), PROTO.replace(old, new))
        done = buf(after, "breaking", "--against", str(before))
        assert done.returncode != 0, list(BREAKING)[index]
    same = buf(
        module(tmp_path / "same", PROTO + "\nmessage More { optional string x = 1; }\n"),
        "breaking",
        "--against",
        str(before),
    )
    assert (same.returncode, same.stdout) == (0, "")
