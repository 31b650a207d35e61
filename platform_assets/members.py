"""Registries: the members of one kind of thing, by name; and what is said of a name that nothing has.

Belongs here: how a member is found and how another one is added, and the name that was probably meant. Does not belong here: any member, or
any list of members (each stands with its kind: `connectors/registry.py`, `tasks/registry.py`, ...).

What varies in the platform is an object behind a narrow Protocol. A registry is a list of dotted names, so that naming a kind costs no
import, and a member is imported when it is used for the first time.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Generic, TypeVar, cast

Member = TypeVar("Member")
Declared = TypeVar("Declared")


MOST_NAMES = 12
"""Of a longer list only the beginning is shown."""
_SHORTEST_BEGINNING = 3


class UnknownName(ValueError):
    """Somebody named what is not there; the message says what is, and what was probably meant."""


class UnknownMember(UnknownName):
    """A name is not in the registry; the message lists the ones that are."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The name that was probably meant: one that differs in case, separators or a few letters; None where none is close."""
    import difflib

    plain = {_plain(other): other for other in reversed(list(known))}
    if _plain(name) in plain:
        return plain[_plain(name)]
    close = difflib.get_close_matches(_plain(name), plain, n=1, cutoff=0.7)
    if close:
        return plain[close[0]]
    longer = [other for other in plain if _begins(other, _plain(name)) or _begins(_plain(name), other)]
    return plain[longer[0]] if len(longer) == 1 else None


def meant_and_known(name: str, known: Iterable[str]) -> str:
    """Which name was probably meant, and all that there are: the end of every sentence about a name that nothing has."""
    names = list(dict.fromkeys(known))
    if not names:
        return "none are declared"
    meant = nearest(name, names)
    shown = ", ".join(names[:MOST_NAMES]) + (f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else "")
    return f"known: {shown}" if meant is None else f"did you mean {meant!r}? known: {shown}"


def _begins(text: str, beginning: str) -> bool:
    return len(beginning) >= _SHORTEST_BEGINNING and text.startswith(beginning)


def _plain(name: str) -> str:
    return name.lower().replace("-", "_").replace(" ", "_").replace(".", "_")


class MemberRegistry(Generic[Member]):
    """Members of one kind, by name, each imported on first use.

    Attributes:
        kind: what the members are, in the singular, for messages: `connector`.
    """

    def __init__(self, kind: str, members: Mapping[str, str]) -> None:
        """Take the list.

        Args:
            kind: what a member is, for messages.
            members: the address of each member, `package.module:OBJECT`, by name.
        """
        self.kind = kind
        self._addresses: dict[str, str] = dict(members)
        self._loaded: dict[str, Any] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Every name, in the order of the list."""
        return tuple(self._addresses)

    def __getitem__(self, name: str) -> Member:
        """The member of that name.

        Raises:
            UnknownMember: there is none.
        """
        if name not in self._loaded:
            if name not in self._addresses:
                raise UnknownMember(f"there is no {self.kind} {name!r}; {meant_and_known(name, self._addresses)}")
            self._loaded[name] = imported(self._addresses[name])
        return cast(Member, self._loaded[name])

    def __contains__(self, name: object) -> bool:
        """Whether there is a member of that name."""
        return name in self._addresses

    def __iter__(self) -> Iterator[str]:
        """The names."""
        return iter(self._addresses)

    def __len__(self) -> int:
        """How many members there are."""
        return len(self._addresses)

    @contextmanager
    def with_member(self, name: str, member: Member) -> Iterator[None]:
        """Have one member more while the block runs: how a test adds a kind of its own.

        Raises:
            ValueError: the name is taken.
        """
        if name in self._addresses:
            raise ValueError(f"there is a {self.kind} {name!r} already")
        self._addresses[name], self._loaded[name] = "", member
        try:
            yield
        finally:
            del self._addresses[name], self._loaded[name]


class ImplementationRegistry(Generic[Member]):
    """What carries out each member of a declared list: the list stands once, in the declaration, and each entry names its implementation.

    Attributes:
        kind: what the members are, in the singular, for messages: `task`.
    """

    def __init__(
        self,
        declared: MemberRegistry[Declared],
        address_of: Callable[[Declared], str],
        beside: Mapping[str, str] | None = None,
    ) -> None:
        """Follow a list.

        Args:
            declared: the list.
            address_of: the address of what carries out an entry, `package.module:OBJECT`.
            beside: addresses of members that nobody declares, by name.
        """
        self.kind = declared.kind
        self._declared = declared
        self._address_of = address_of
        self._beside = dict(beside or {})

    @property
    def names(self) -> tuple[str, ...]:
        """Every name: those of the list in its order, then those that nobody declares."""
        return (*self._declared.names, *self._beside)

    def __getitem__(self, name: str) -> Member:
        """The member of that name, imported on first use.

        Raises:
            UnknownMember: there is none.
        """
        if name not in self:
            raise UnknownMember(f"there is no {self.kind} {name!r}; {meant_and_known(name, self.names)}")
        address = self._beside[name] if name in self._beside else self._address_of(self._declared[name])
        return cast(Member, imported(address))

    def __contains__(self, name: object) -> bool:
        """Whether there is a member of that name."""
        return name in self._declared or name in self._beside

    def __iter__(self) -> Iterator[str]:
        """The names."""
        return iter(self.names)

    def __len__(self) -> int:
        """How many members there are."""
        return len(self.names)


def imported(address: str) -> Any:
    """The object at an address `package.module:OBJECT`."""
    module, _, attribute = address.partition(":")
    return getattr(import_module(module), attribute)
