"""Which backups stay, and that no chunk goes which one of them needs."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from platform_assets.recovery.manifest import StoredBackup
from platform_assets.recovery.retention import kept_backups, prune_backups
from platform_assets.recovery.settings import KeepCounts
from platform_assets.recovery.verification import verify_backup

from .conftest import World


def backup(at: datetime, kind: str = "full") -> StoredBackup:
    return StoredBackup(at.strftime("%Y%m%dT%H%M%S.%fZ"), kind, "")


@given(
    hours=st.lists(st.integers(0, 24 * 400), min_size=1, max_size=60, unique=True),
    counts=st.tuples(st.integers(1, 5), st.integers(0, 10), st.integers(0, 6), st.integers(0, 6)),
)
def test_the_newest_stay_and_one_of_each_span(hours: list[int], counts: tuple[int, int, int, int]) -> None:
    begin = datetime(2024, 1, 1, tzinfo=UTC)
    backups = [backup(begin + timedelta(hours=hour)) for hour in sorted(hours)]
    last, daily, weekly, monthly = counts
    kept = kept_backups(backups, KeepCounts(last=last, daily=daily, weekly=weekly, monthly=monthly))
    assert backups[-last:] == kept[-min(last, len(backups)) :]
    days = sorted({one.created_at.date() for one in backups})[-daily:] if daily else []
    assert set(days) <= {one.created_at.date() for one in kept}
    months = sorted({(one.created_at.year, one.created_at.month) for one in backups})[-monthly:] if monthly else []
    assert set(months) <= {(one.created_at.year, one.created_at.month) for one in kept}
    assert len(kept) <= last + daily + weekly + monthly


def test_of_passes_that_follow_only_the_newest_stays() -> None:
    begin = datetime(2024, 1, 1, tzinfo=UTC)
    passes = [backup(begin + timedelta(seconds=5 * number), "follow") for number in range(3)]
    full = backup(begin - timedelta(days=1))
    assert kept_backups([full, *passes], KeepCounts()) == [full, passes[-1]]


def test_what_stays_can_be_restored(world: World, tmp_path: Path) -> None:
    first = world.back_up()
    world.write_day(1, [70, 71])
    (world.home / "reports/shop/drift-2024-01-01.html").write_text("<p>")
    second = world.back_up(previous=first)
    keep = KeepCounts(last=1, daily=0, weekly=0, monthly=0)
    named = prune_backups(world.manifests, world.chunks, keep, dry_run=True)
    assert [one.name for one in named.removed] == [first.name]
    assert len(world.manifests.backups()) == 2
    pruned = prune_backups(world.manifests, world.chunks, keep)
    assert pruned.chunks > 0
    assert pruned.freed_bytes > 0
    assert [one.name for one in world.manifests.backups()] == [second.name]
    assert verify_backup(second, world.chunks).wrong == ()
    assert verify_backup(first, world.chunks).wrong
    world.restore(second, tmp_path / "home2")
    assert world.at(tmp_path / "home2").ids() == world.ids()
