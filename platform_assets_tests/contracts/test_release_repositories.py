"""What every store of release files does: git in a folder, and the one in memory."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from platform_assets.deployment.gitops.errors import GitFailed, ReleaseChanged
from platform_assets.deployment.gitops.git_repository import GitRepository
from platform_assets.deployment.gitops.release_file import ReleaseFile, WrittenHold, write_release_file
from platform_assets.deployment.gitops.settings import GitOpsSettings
from platform_assets.testing.memory_releases import MemoryReleases
from platform_assets_tests.unit.deployment.gitops_files import bare_repository, git, release

AT = datetime(2026, 3, 1, 10, tzinfo=UTC)


class World:
    """A store, and what somebody else does to it."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind, self.folder = kind, folder
        if kind == "memory":
            self.store: Any = MemoryReleases()
            return
        self.remote = bare_repository(folder / "remote.git")
        settings = GitOpsSettings(repository=str(self.remote), author="Robot <robot@example.com>")
        self.store = GitRepository(settings, folder / "clones")

    def by_hand(self, file: ReleaseFile, text: str | None = None) -> None:
        """Somebody else writes the file."""
        text = text if text is not None else write_release_file(file)
        if self.kind == "memory":
            self.store.files[file.environment, file.use_case] = text
            return
        work = self.folder / "by-hand"
        if not work.exists():
            git(self.folder, "clone", "-q", str(self.remote), str(work))
        git(work, "pull", "-q", "--rebase")
        path = work / "environments" / file.environment / file.use_case / "release.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        git(work, "add", "-A")
        git(work, "commit", "-q", "-m", "by hand")
        git(work, "push", "-q")

    def gone(self) -> None:
        """The repository does not answer any more."""
        if self.kind == "memory":
            self.store.is_reachable = False
        else:
            self.remote.rename(self.remote.with_name("moved.git"))


@pytest.fixture(params=["memory", "git"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    return World(request.param, tmp_path)


def test_what_is_written_is_read_again(world: World) -> None:
    assert world.store.read("production", "fraud").text is None
    hold = WrittenHold(by="verdict", why="worse: für 3 %", since=AT, entry="fraud/rolled_back/1/move 2")
    file = release(hold=hold)
    first = world.store.write(file, None, "first", {"card.html": "<p>"})
    found = world.store.read("production", "fraud")
    assert (found.file, found.problem, found.commit) == (file, "", first)
    assert world.store.read("staging", "fraud").file is None
    assert world.store.write(file, found.text, "the same again") == first


def test_nobody_s_change_is_lost(world: World) -> None:
    world.store.write(release("1"), None, "first")
    before = world.store.read("production", "fraud").text
    world.by_hand(release("2"))
    with pytest.raises(ReleaseChanged, match="look again"):
        world.store.write(release("3"), before, "too late")
    with pytest.raises(ReleaseChanged):
        world.store.write(release("3"), None, "as if there were none")
    now = world.store.read("production", "fraud")
    assert now.file.model.version == "2"
    world.store.write(release("3"), now.text, "on top of it")
    assert world.store.read("production", "fraud").file.model.version == "3"


def test_a_change_elsewhere_is_no_obstacle(world: World) -> None:
    world.store.write(release("1"), None, "first")
    before = world.store.read("production", "fraud").text
    world.by_hand(release("7", use_case="churn"))
    world.store.write(release("2"), before, "second")
    assert world.store.read("production", "churn").file.model.version == "7"
    assert world.store.read("production", "fraud").file.model.version == "2"


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ("model: {version: v2}", "model.version"),
        ("kind: Rollout", "kind"),
        ("surprise: 1", "surprise"),
        ("service: {digest: latest}", "service.digest"),
        ("evidence: {passed: maybe}", "evidence.passed"),
        ("a: [", "is no YAML"),
        ("- 1", "holds no fields"),
    ],
)
def test_a_file_that_cannot_be_used_names_its_field(world: World, change: str, names: str) -> None:
    key = change.partition(":")[0]
    lines = [line for line in write_release_file(release()).splitlines() if not line.startswith((f"{key}:", " ", "#"))]
    world.by_hand(release(), "\n".join([change] if change in ("- 1", "a: [") else [*lines, change]))
    found = world.store.read("production", "fraud")
    assert found.file is None
    assert names in found.problem


def test_a_file_in_the_wrong_folder_is_none(world: World) -> None:
    world.by_hand(release(), write_release_file(release(use_case="churn")))
    assert "wrong folder" in world.store.read("production", "fraud").problem


def test_a_proposal_changes_nothing_until_it_is_merged_and_can_be_made_again(world: World) -> None:
    world.store.write(release("1"), None, "first")
    first = world.store.propose(release("2"), "promote/fraud/2/production", "promote", {"comparison.md": "# a"})
    again = world.store.propose(release("2"), "promote/fraud/2/production", "promote", {"comparison.md": "# b"})
    assert (first.base, first.changed, again.changed) == ("main", True, True)
    assert world.store.read("production", "fraud").file.model.version == "1"
    same = world.store.propose(release("1"), "promote/fraud/1/production", "promote")
    assert not same.changed


def test_a_repository_that_does_not_answer_is_one_sentence(world: World) -> None:
    world.store.read("production", "fraud")
    world.gone()
    for ask in (
        lambda: world.store.read("production", "fraud"),
        lambda: world.store.write(release(), None, "x"),
        lambda: world.store.propose(release(), "promote/x", "x"),
    ):
        with pytest.raises(GitFailed):
            ask()


def test_git_writes_one_commit_by_its_author_with_what_people_read_beside_it(tmp_path: Path) -> None:
    world = World("git", tmp_path)
    world.store.write(release("1"), None, "fraud: version 1 serves", {"card.html": "<p>", "comparison.md": "# one"})
    shown = git(world.remote, "show", "--stat=200", "--format=%an <%ae>%n%s", "main")
    assert shown.splitlines()[:2] == ["Robot <robot@example.com>", "fraud: version 1 serves"]
    for name in ("card.html", "comparison.md", "release.yaml"):
        assert f"environments/production/fraud/{name}" in shown
    pushed = world.store.propose(release("2"), "promote/fraud/2/production", "promote", {"comparison.md": "# two"})
    assert git(world.remote, "rev-parse", "promote/fraud/2/production").strip() == pushed.commit
    changed = git(world.remote, "diff", "--name-only", "main", pushed.name).split()
    assert changed == ["environments/production/fraud/comparison.md", "environments/production/fraud/release.yaml"]


def test_git_goes_on_after_a_process_that_was_killed_in_the_middle(tmp_path: Path) -> None:
    world = World("git", tmp_path)
    world.store.write(release("1"), None, "first")
    [clone] = [path for path in (tmp_path / "clones").iterdir() if path.is_dir()]
    (clone / ".git" / "index.lock").write_text("")
    (clone / "environments" / "production" / "fraud" / "release.yaml").write_text("half a fi")
    (clone / "left over").write_text("")
    assert world.store.read("production", "fraud").file == release("1")
    (clone / ".git" / "HEAD").write_text("")
    assert world.store.read("production", "fraud").file == release("1")


def test_an_empty_git_repository_takes_its_first_release_and_no_proposal(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", "--bare", str(tmp_path / "empty.git")], check=True)
    store = GitRepository(GitOpsSettings(repository=str(tmp_path / "empty.git")), tmp_path / "clones")
    assert store.read("production", "fraud") == store.read("production", "fraud")
    with pytest.raises(GitFailed, match="has no branch main"):
        store.propose(release(), "promote/x", "x")
    store.write(release(), None, "first")
    assert store.read("production", "fraud").file == release()


def test_a_password_in_the_address_is_shown_to_nobody(tmp_path: Path) -> None:
    settings = GitOpsSettings(repository="https://robot:not-to-be-seen@127.0.0.1:9/releases.git")
    with pytest.raises(GitFailed) as raised:
        GitRepository(settings, tmp_path).read("production", "fraud")
    assert "not-to-be-seen" not in f"{raised.value!r}{raised.value.__cause__!r}{settings!r}"
    assert "127.0.0.1:9" in str(raised.value)
