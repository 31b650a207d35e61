"""The order of a feed's changes as one growing number, whatever counts them at the source.

Belongs here: snapshots before what was streamed after them, numberings that begin anew, and feeds that tell nothing but the time. Does
not belong here: what a connector sends (`positions.py`) and which files or messages are read (`feed.py`, `topic.py`).

A feed passes through eras. An era has one numbering of the source's log; it ends when the numbering begins anew (a database that was
restored or moved, another server) or when the tables are read again (a new snapshot). The number of a change is its position in the
log plus the shift of its era, which lies above all numbers before; rows of a snapshot have the number at which their era begins. A
message that a connector sends again after a restart has the position that it had, and is told from a numbering that begins anew by its
time: it is not later than what came before it. Without a position the time counts, and within one the order of the feed, over all
files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from platform_assets.connectors.debezium.positions import LogPosition, PositionError, position_of
from platform_assets.connectors.debezium.row_places import RowPlaces
from platform_assets.connectors.json_changes import whole_number

_MARGIN = 1 << 40
"""Room below the first position of an era: transactions in flight while a snapshot was taken began before it."""

_TIME, _POSTGRESQL = "time", "lsn"
_TIME_BITS = 20
_LATE = 1 << (_TIME_BITS - 1)
"""Changes with an earlier time than one before them stand behind those of their millisecond."""

_LARGEST = 2**63 - 1
_ERAS_KEPT = 200
_SHOWN = 10
"""Notices of one read that are kept; the others say the same."""


@dataclass(frozen=True)
class Era:
    """A stretch of a feed with one numbering."""

    since: int = 0
    """Time of its first message in milliseconds since 1970."""
    base: int = 0
    """Number of its snapshot's rows."""
    numbering: str | None = None
    """None until something is streamed."""
    shift: int = 0
    lowest: int = 0
    """First mark or, without one, lowest place that was streamed."""


@dataclass
class FeedOrder:
    """How far a feed has come, and the number of what comes next. Kept in the cursor."""

    eras: list[Era] = field(default_factory=lambda: [Era()])
    highest: int = 0
    """Largest number given."""
    time: int = -1
    """Latest time streamed, in milliseconds since 1970."""
    mark: int = -1
    """Largest mark of the newest era."""
    place: int = -1
    run: int = 0
    """Place of the message before, and how many before it shared it."""
    late: int = 0
    """Messages with an earlier time than one before them, of a feed ordered by time."""
    is_old: bool = False
    """Whether earlier messages were numbered by a release without eras: by `source.lsn`, or by time."""
    rows: RowPlaces = field(default_factory=RowPlaces)
    """Places of the rows that changed last, where commits have none of their own."""
    where: str = ""
    """Where the message stands that is numbered next, for notices."""
    notices: list[str] = field(default_factory=list)
    """Eras that began since the state was loaded."""
    backwards: list[str] = field(default_factory=list)
    """Where times went backwards since."""

    @classmethod
    def of(cls, content: Mapping[str, Any] | None, *, begun: bool) -> FeedOrder:
        """The state that a cursor keeps.

        Args:
            content: As `kept` gave it; None in a cursor without.
            begun: Whether the feed was read before: then a cursor without a state is one of an older release.
        """
        if content is None:
            return cls(is_old=begun)
        rows = RowPlaces.of(content.get("rows"))
        return cls(**{**content, "eras": [Era(**era) for era in content["eras"]], "rows": rows})

    def kept(self) -> dict[str, Any]:
        """The state for the cursor."""
        content = asdict(replace(self, rows=RowPlaces())) | {"rows": self.rows.text()}
        return {name: value for name, value in content.items() if name not in ("where", "notices", "backwards")}

    def copy(self) -> FeedOrder:
        """The same state, to be changed on its own; without notices."""
        return replace(self, eras=list(self.eras), rows=self.rows.copy(), notices=[], backwards=[])

    def all_notices(self) -> list[str]:
        """What a person should know about the order of what was read since the state was loaded."""
        if not self.backwards:
            return self.notices
        count, first = len(self.backwards), self.backwards[0]
        return [
            *self.notices,
            f"{first}: times go backwards in {count:,} changes from here on, and nothing else tells their order: each counts as of "
            f"its own time",
        ]

    def number(self, message: Mapping[str, Any], row: Mapping[str, Any] | None = None) -> int:
        """The number of a message; the same message sent again has the same.

        Args:
            message: The envelope.
            row: Key of the row that it is about, where it tells.

        Raises:
            PositionError: If nothing in it tells its order.
        """
        source = message.get("source")
        origin: Mapping[str, Any] = source if isinstance(source, Mapping) else {}
        time = time_of(origin, message)
        is_read = is_snapshot(message)
        number = self._of_read(origin, time) if is_read else self._of_change(position_of(origin), time, row)
        if not 0 <= number <= _LARGEST:
            raise PositionError("the feed was numbered anew too often: load into a new table")
        self.highest = max(self.highest, number)
        return number

    def _of_read(self, origin: Mapping[str, Any], time: int | None) -> int:
        """A row of a snapshot: older than everything streamed in its era, but for a snapshot beside the stream."""
        if str(origin.get("snapshot")).lower().startswith("incremental"):
            return max(self.highest, self.eras[-1].base)
        if self.is_old:
            self._follow_old(position_of(origin), time)
        if self.eras[-1].numbering is not None and time is not None and time > self.time:
            self._begin(time, "the tables were read again (a new snapshot)")
        return self._era_of(time).base

    def _of_change(self, position: LogPosition | None, time: int | None, row: Mapping[str, Any] | None) -> int:
        if position is None:
            if time is None:
                raise PositionError("no position in `source` and no ts_ms")
            position = LogPosition(_TIME, time << _TIME_BITS)
        if self.is_old:
            self._follow_old(position, time)
        is_later = time is not None and time > self.time
        era = self.eras[-1]
        if era.numbering is None:
            era = self._first_of_era(position)
        elif (is_later and self._is_anew(era, position)) or self._is_contradicted(position, time, row):
            self._begin(time or 0, f"the numbering of changes begins anew ({self._reached()}, then {position})")
            era = self._first_of_era(position)
        elif not is_later:
            era = self._era_of(time, position.numbering)
        if position.numbering == _TIME:
            number = self._by_time(era, position.place, time or 0)
        elif position.numbering != era.numbering:
            self._note(f"positions of two kinds in one stretch ({self._reached()}, then {position})")
            number = self.highest + 1
        else:
            number = era.shift + position.place + self._shared(position)
        self.time = max(self.time, time if time is not None else -1)
        if _by_rows(position) and row and time is not None and era is self.eras[-1]:
            self.rows.keep(row, position.place, time)
        if era is self.eras[-1] and position.mark is not None:
            self.mark = max(self.mark, position.mark)
        return number

    def _by_time(self, era: Era, place: int, time: int) -> int:
        """By time, and within one in the order of the feed; one that goes backwards where its time says."""
        if time >= self.time:
            return max(era.shift + place, self.highest + 1)
        self.backwards.append(self.where)
        self.late += 1
        return era.shift + place + _LATE + self.late % _LATE

    def _shared(self, position: LogPosition) -> int:
        """How many messages right before this one have its place."""
        self.run = self.run + 1 if position.place == self.place else 0
        self.place = position.place
        return min(self.run, position.room - 1)

    def _is_anew(self, era: Era, position: LogPosition) -> bool:
        """Whether a later message has a position that its era's numbering cannot have given it."""
        if position.numbering != era.numbering:
            return True
        if position.mark is not None and self.mark >= 0:
            return position.mark < self.mark
        return position.numbering != _TIME and position.place < era.lowest

    def _is_contradicted(self, position: LogPosition, time: int | None, row: Mapping[str, Any] | None) -> bool:
        """Whether the row was changed before at a place that its numbering cannot have given it before this one."""
        return (
            bool(row)
            and time is not None
            and _by_rows(position)
            and self.rows.contradict(row or {}, position.place, time)
        )

    def _first_of_era(self, position: LogPosition) -> Era:
        """The newest era, from its first streamed message on."""
        era = self.eras[-1]
        is_first = era.base == 0
        shift = 0 if is_first or position.numbering == _TIME else era.base + _MARGIN - position.place
        self.mark = -1
        self.eras[-1] = replace(era, numbering=position.numbering, shift=shift, lowest=position.place)
        return self.eras[-1]

    def _begin(self, time: int, why: str) -> None:
        self._note(f"{why}: what follows counts as newer than everything before")
        self.eras.append(Era(since=time, base=self.highest + 1))
        self.rows = RowPlaces()
        del self.eras[1:-_ERAS_KEPT]

    def _era_of(self, time: int | None, numbering: str | None = None) -> Era:
        """The era of a message that may have been sent before: the newest that had begun at its time."""
        begun = [era for era in self.eras if time is None or era.since <= time] or self.eras[:1]
        fitting = [era for era in begun if numbering is None or era.numbering == numbering]
        return (fitting or begun)[-1]

    def _follow_old(self, position: LogPosition | None, time: int | None) -> None:
        """Begin above the numbers of a release that ordered by `source.lsn`, and without one by time."""
        self.is_old = False
        by_time = ((time or 0) + 1) << _TIME_BITS
        if position is not None and position.numbering == _TIME:
            return
        if position is not None and position.numbering == _POSTGRESQL:
            self.eras, self.highest = [Era(base=position.place, numbering=_POSTGRESQL)], position.place
        else:
            self.eras, self.highest = [Era(base=by_time)], by_time

    def _reached(self) -> str:
        era = self.eras[-1]
        return f"{era.numbering} {self.mark if self.mark >= 0 else era.lowest}"

    def _note(self, notice: str) -> None:
        if len(self.notices) < _SHOWN:
            self.notices.append(f"{self.where}: {notice}")


def _by_rows(position: LogPosition) -> bool:
    """Whether only rows tell that a numbering begins anew: overlapping transactions go back and forth in it, and commits have no place."""
    return position.numbering == _POSTGRESQL and position.mark is None


def is_snapshot(message: Mapping[str, Any]) -> bool:
    """Whether a message is a row that was read, and no change; some connectors call those of a snapshot inserts."""
    source = message.get("source")
    mark = source.get("snapshot") if isinstance(source, Mapping) else None
    return message.get("op") == "r" or str(mark).lower() not in ("none", "false", "")


def time_of(origin: Mapping[str, Any], message: Mapping[str, Any]) -> int | None:
    """When the database committed the change, else when the connector handled it; in milliseconds since 1970."""
    for value in (origin.get("ts_ms"), message.get("ts_ms")):
        time = whole_number(value)
        if time:
            return time
    return None
