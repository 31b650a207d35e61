"""Archives of releases that are kept: by number, never one that is needed, and never another target's."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platform_assets.deployment.errors import TargetUnavailable
from platform_assets.deployment.kubernetes.archives import (
    MEMORY,
    ReleaseArchives,
    ShippedArchive,
    left_over,
    surplus,
)
from platform_assets.deployment.kubernetes.arms import StoredArchive
from platform_assets.deployment.kubernetes.settings import ClusterSettings
from platform_assets.deployment.kubernetes.shipping import ship
from platform_assets.testing.servers import s3


def settings(releases: str, keep: int = 2) -> ClusterSettings:
    return ClusterSettings.model_validate(
        {
            "namespace": "ml",
            "runtime_image": f"registry.example/serving@sha256:{'0' * 64}",
            "releases": releases,
            "release_claim": None if releases.startswith("s3://") else "releases",
            "keep_releases": keep,
            "gateway": "public",
            "gateway_namespace": "gateways",
            "address": "https://ml.example",
        }
    )


@pytest.fixture
def store(tmp_path: Path) -> Path:
    folder = tmp_path / "releases"
    folder.mkdir()
    return folder


class Rollouts:
    """Releases of a use case that are shipped, serve, and are over, as a target's session tells of them."""

    def __init__(self, archives: ReleaseArchives, scratch: Path, target: str = "one", use_case: str = "churn") -> None:
        self.archives, self.scratch, self.target, self.use_case = archives, scratch, target, use_case
        self.arms: dict[str, StoredArchive] = {}

    def begins(self, version: str) -> None:
        root = self.scratch / f"release-{version}"
        root.mkdir(exist_ok=True)
        (root / "model").write_text(version)
        shipped = ship(root, self.archives.settings, self.archives.object_store)
        self.arms[version] = StoredArchive(shipped.digest, shipped.uri)
        self.archives.shipped(self.target, self.use_case, version, self.arms[version])

    def ends(self, serving: str) -> list[str]:
        self.arms = {serving: self.arms[serving]}
        self.archives.serves(self.target, self.use_case, serving, self.arms[serving])
        return [one.version for one in self.archives.prune(self.target, self.in_use)]

    @property
    def in_use(self) -> set[str]:
        return {arm.digest for arm in self.arms.values()}

    def served(self, *versions: str) -> list[str]:
        gone = []
        for version in versions:
            self.begins(version)
            gone += self.ends(version)
        return gone


def there(store: Path) -> int:
    return len(list(store.glob("*.tar.gz")))


def test_the_releases_that_served_last_stay_and_the_older_ones_go(store: Path, tmp_path: Path) -> None:
    rollouts = Rollouts(ReleaseArchives(settings(str(store), keep=3)), tmp_path)
    assert rollouts.served("1", "2", "3") == []
    assert rollouts.served("4", "5") == ["1", "2"]
    assert there(store) == 3


def test_bad_versions_in_a_row_do_not_push_out_the_one_that_a_rollback_goes_to(store: Path, tmp_path: Path) -> None:
    rollouts = Rollouts(ReleaseArchives(settings(str(store))), tmp_path)
    rollouts.served("1", "2")
    back = rollouts.arms["2"]
    for bad in ("3", "4", "5"):
        rollouts.begins(bad)
        assert left_over(rollouts.archives, "one", rollouts.in_use, remove=False) == [], "a rollout needs both"
        assert rollouts.ends("2") == [bad], "it never served"
    assert there(store) == 2
    rollouts.begins("1")
    assert rollouts.ends("1") == []
    assert Path(back.uri).is_file()
    assert rollouts.served("6") == ["2"], "1 served after 2"


def test_what_another_target_names_stays(store: Path, tmp_path: Path) -> None:
    ours = Rollouts(ReleaseArchives(settings(str(store))), tmp_path)
    theirs = Rollouts(ReleaseArchives(settings(str(store))), tmp_path, target="two")
    theirs.served("1")
    assert ours.served("1", "2", "3") == []
    assert there(store) == 3
    assert left_over(ours.archives, "one", ours.in_use, remove=False) == [], "it is theirs to delete now"


def test_nothing_is_deleted_while_another_memory_cannot_be_read(store: Path, tmp_path: Path) -> None:
    rollouts = Rollouts(ReleaseArchives(settings(str(store))), tmp_path)
    rollouts.served("1", "2")
    damaged = store / MEMORY / "two.json"
    damaged.write_text("{torn")
    rollouts.begins("3")
    with pytest.raises(OSError, match=r"two\.json cannot be read"):
        rollouts.ends("3")
    with pytest.raises(TargetUnavailable, match=r"`releases` in PLATFORM_ASSETS_KUBERNETES.* left as they are"):
        left_over(rollouts.archives, "one", rollouts.in_use, remove=True)
    assert there(store) == 3
    damaged.unlink()
    (named,) = left_over(rollouts.archives, "one", rollouts.in_use, remove=False)
    assert named.startswith("archive of churn 1 (sha256:")
    assert there(store) == 3, "it was only named"
    assert left_over(rollouts.archives, "one", rollouts.in_use, remove=True) == [named]
    assert there(store) == 2


def test_a_memory_of_ones_own_that_is_damaged_lets_archives_stay(store: Path, tmp_path: Path) -> None:
    rollouts = Rollouts(ReleaseArchives(settings(str(store))), tmp_path)
    rollouts.served("1", "2")
    (store / MEMORY / "one.json").write_text("{torn")
    assert rollouts.served("3", "4", "5") == ["3"]
    assert there(store) == 4


def test_a_bucket_is_looked_after_as_a_folder_is(tmp_path: Path) -> None:
    with s3() as server:
        server.bucket("models")
        rollouts = Rollouts(ReleaseArchives(settings("s3://models/releases"), server.options), tmp_path)
        assert rollouts.served("1", "2", "3") == ["1"]
        assert rollouts.served("3", "2") == []


ARCHIVES = st.lists(
    st.builds(
        ShippedArchive,
        use_case=st.sampled_from(["a", "b"]),
        version=st.just("1"),
        digest=st.sampled_from("vwxyz"),
        serves_since=st.sampled_from(["", "1", "2", "3", "4"]),
    ),
    unique_by=lambda one: (one.use_case, one.digest),
)


@given(ARCHIVES, st.sets(st.sampled_from("vwxyz")), st.integers(2, 4))
def test_what_is_used_or_served_last_is_never_surplus(
    archives: list[ShippedArchive], in_use: set[str], keep: int
) -> None:
    gone = {(one.use_case, one.digest) for one in surplus(archives, in_use, keep)}
    assert not {digest for _, digest in gone} & in_use
    for use_case in ("a", "b"):
        served = sorted(
            (one for one in archives if one.use_case == use_case and one.serves_since),
            key=lambda one: one.serves_since,
            reverse=True,
        )
        assert not {(use_case, one.digest) for one in served[:keep]} & gone
        kept = [one for one in served if (use_case, one.digest) not in gone and one.digest not in in_use]
        others = {one.digest for one in archives if one.use_case != use_case}
        assert len([one for one in kept if one.digest not in others]) <= keep
