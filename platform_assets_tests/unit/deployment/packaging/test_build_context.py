"""The build context: the same inputs give the same digest, other inputs another one."""

from pathlib import Path

import pytest

from platform_assets.deployment.packaging import BuiltBento, find_bento, serve_command
from platform_assets.deployment.packaging.build import ROOT, write_context
from platform_assets_tests.serving.parking import make_model, release_info, use_case
from serving.release import content_digest
from serving.settings import ServingSettings


@pytest.fixture
def digest_of(tmp_path: Path):  # type: ignore[no-untyped-def]
    predictor = make_model(tmp_path / "model", kind="constant")

    def digest(name: str, threshold: float = 0.5, version: str = "3") -> str:
        declared = use_case(
            serving=use_case().serving.model_dump()
            | {"decision": {"threshold": threshold, "above": "stop", "below": "open"}}
        )
        context = tmp_path / name
        write_context(context, declared, tmp_path / "model", release_info(predictor, model_version=version), ROOT)
        return content_digest(context)

    return digest


def test_the_digest_names_the_content(digest_of) -> None:  # type: ignore[no-untyped-def]
    first = digest_of("first")
    assert digest_of("same") == first
    assert digest_of("other threshold", threshold=0.6) != first
    assert digest_of("other version", version="4") != first


def test_a_bento_that_was_changed_is_not_found(tmp_path: Path) -> None:
    code = tmp_path / "bentos" / "parking" / "x" / "src"
    code.mkdir(parents=True)
    (code / "a.py").write_text("a = 1\n")
    digest = content_digest(code)
    code.parent.rename(code.parent.with_name(digest.removeprefix("sha256:")[:16]))
    path = tmp_path / "bentos" / "parking" / digest.removeprefix("sha256:")[:16]
    assert find_bento(use_case(), digest, tmp_path) is None
    (path / "bento.yaml").write_text("")
    found = find_bento(use_case(), digest, tmp_path)
    assert found is not None
    assert found.tag == f"parking:{path.name}"
    assert found.reused
    (path / "src" / "a.py").write_text("a = 2\n")
    assert find_bento(use_case(), digest, tmp_path) is None


def test_the_command_leaves_the_port_open_and_expects_the_digest(tmp_path: Path) -> None:
    bento = BuiltBento("parking:1", tmp_path / "home" / "bentos" / "parking" / "1", "sha256:12", 10)
    settings = ServingSettings(feast={"project": "parking"}, log_folder=tmp_path / "log")
    command, environment = serve_command(bento, settings)
    assert "{port}" in command
    assert serve_command(bento, settings, "80")[0][-1] == "80"
    read = ServingSettings.from_environment(environment)
    assert read == settings.model_copy(update={"release_digest": "sha256:12"})
