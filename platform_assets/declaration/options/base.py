"""What an option is: a value that a choice may have, carried out or refused.

Belongs here: the objects, the errors, and reading a value. Does not belong here: any value (one file for each choice).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Generic, Literal, TypeVar

from platform_assets.members import MemberRegistry, meant_and_known, nearest

Standing = Literal["carried out", "exported", "refused"]
"""`exported`: another tool carries it out, from a project that is generated here."""

REFUSALS_ARE_HELD_BY = "contracts/test_options.py::test_a_refused_value_is_told_with_reason_day_and_way_out"


@dataclass(frozen=True)
class OptionRefusal:
    """Why nobody may declare a value.

    Attributes:
        reason: what speaks against it, a sentence without its full stop.
        day: since when.
        way_out: what to declare instead, a sentence without its full stop.
    """

    reason: str
    day: date
    way_out: str


class OptionRefused(ValueError):
    """A value that is known and refused; the message gives the reason, the day and the way out.

    Attributes:
        choice: the field that named it, such as `tracking`.
        name: the value.
        refusal: why.
    """

    def __init__(self, choice: str, name: str, refusal: OptionRefusal) -> None:
        """Take the refusal."""
        self.choice, self.name, self.refusal = choice, name, refusal
        super().__init__(f"{name} is refused since {refusal.day}: {refusal.reason}. {refusal.way_out}")


class OptionUnknown(ValueError):
    """A value that no choice of that kind knows; the message lists those that there are."""


@dataclass(frozen=True)
class Option:
    """A value of a choice.

    Attributes:
        name: what is declared.
        means: what it does, one sentence without its full stop.
        refused: why it may not be declared; None where it may.
        is_exported: whether another tool carries it out, from a project that is generated here.
        own_keys: fields that belong to this value alone, or to it and others that name them too; dotted, from the top of the declaration.
        needs: fields that have to be declared with it, with the reason, a sentence without its full stop.
        carried_out_by: `package.module:OBJECT` of what does it, where a registry looks that up here; empty elsewhere.
        lacks: what is not there with it, a sentence without its full stop; empty where nothing is lacking.
        proven_by: the test that holds it, `file::function` below `platform_assets_tests`.
    """

    name: str
    means: str = field(default="", kw_only=True)
    refused: OptionRefusal | None = field(default=None, kw_only=True)
    is_exported: bool = field(default=False, kw_only=True)
    own_keys: tuple[str, ...] = field(default=(), kw_only=True)
    needs: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    carried_out_by: str = field(default="", kw_only=True)
    lacks: str = field(default="", kw_only=True)
    proven_by: str = field(default="", kw_only=True)

    @property
    def held_by(self) -> str:
        """The test that holds what is said of it."""
        return self.proven_by if self.refused is None else REFUSALS_ARE_HELD_BY

    @property
    def standing(self) -> Standing:
        """What becomes of it."""
        if self.refused is not None:
            return "refused"
        return "exported" if self.is_exported else "carried out"


OneOption = TypeVar("OneOption", bound=Option)


@dataclass(frozen=True)
class ToolChoice(Generic[OneOption]):
    """A field of the declaration that names a tool.

    Attributes:
        field: its dotted path.
        decides: what it decides, one sentence without its full stop.
        default: the value where it is not declared.
        options: every value that is known.
    """

    field: str
    decides: str
    default: str
    options: MemberRegistry[OneOption]

    @property
    def path(self) -> tuple[str, ...]:
        """The field's path."""
        return tuple(self.field.split("."))

    @property
    def schema(self) -> dict[str, Any]:
        """The field's JSON schema, which editors read: the values that may be declared."""
        return {"type": "string", "enum": [name for name in self.options if self.options[name].refused is None]}

    def declared_in(self, declaration: Any) -> str:
        """The value that a whole declaration has."""
        for step in self.path:
            declaration = getattr(declaration, step)
        return str(declaration)

    def allowed(self, value: Any) -> str:
        """The value, where it may be declared.

        Raises:
            OptionRefused: it is known, and refused.
            OptionUnknown: nobody knows it.
        """
        if not isinstance(value, str) or value not in self.options:
            known = [name for name in self.options if self.options[name].refused is None]
            meant = nearest(str(value), self.options)
            names = meant_and_known(str(value), known if meant is None or meant in known else [*known, meant])
            raise OptionUnknown(f"{value!r} is none of them; {names}")
        refusal = self.options[value].refused
        if refusal is not None:
            raise OptionRefused(self.field, value, refusal)
        return value
