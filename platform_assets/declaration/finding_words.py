"""One of pydantic's findings in the words of this language: what was found, what is expected, and what to write instead.

Belongs here: a finding, and the sentence for each kind of it. Does not belong here: which findings are one mistake (`problems.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from pydantic import BaseModel

from platform_assets.declaration.model_fields import described, field_names
from platform_assets.members import meant_and_known

_LONGEST_VALUE = 40
_QUOTED = re.compile(r"'([^']*)'")
_IDENTIFIER = "^[a-z][a-z0-9_]{0,62}$"
_OWNER = "team:"
_SENTENCE = re.compile(r"(?<=[.;:])\s")


@dataclass(frozen=True)
class FieldFinding:
    """What pydantic found.

    Attributes:
        error_type: pydantic's name of the kind of finding.
        where: keys, places in lists, and kinds of members.
        message: pydantic's own, or what a rule of ours says.
        given: the value that stands there.
        context: pydantic's, with limits and expected names.
        value_at: where the value as a whole stands, without the alternatives that it was tried as.
        is_of_union: whether it is about one alternative of several.
        also: other places with the same mistake.
        cause: the error of a rule of ours, whose kind tells programs more than its words; None for one of pydantic's.
    """

    error_type: str
    where: tuple[int | str, ...]
    message: str
    given: Any
    context: Mapping[str, Any]
    value_at: tuple[int | str, ...]
    is_of_union: bool
    also: tuple[tuple[int | str, ...], ...] = ()
    cause: ValueError | None = None

    @classmethod
    def of(cls, detail: Mapping[str, Any], model: type[BaseModel]) -> Self:
        """From what `ValidationError.errors` lists."""
        context = dict(detail.get("ctx") or {})
        own = context.get("error")
        said = own.args[0] if isinstance(own, ValueError) and own.args else None
        message = said if isinstance(said, str) else str(detail["msg"])
        where = tuple(detail["loc"])
        if detail["type"] == "union_tag_invalid":
            where = (*where, str(context.get("discriminator", "'kind'")).strip("'"))
        value_at = tuple(step for step in where if not _is_alternative(step))
        is_of_union = value_at != where
        cause = own if isinstance(own, ValueError) else None
        return cls(detail["type"], where, message, detail.get("input"), context, value_at, is_of_union, cause=cause)


def _is_alternative(step: int | str) -> bool:
    """Whether a step names a type that a value was tried as: `tuple[int, ...]`, `function-before[...]`, `str`."""
    return isinstance(step, str) and (
        "[" in step
        or step in {"str", "int", "float", "bool", "constrained-str", "constrained-int", "constrained-float"}
    )


def words_of(finding: FieldFinding, model: type[BaseModel]) -> str:
    """The sentence, without the place."""
    say = _WORDS.get(finding.error_type)
    return finding.message if say is None else say(finding, model)


def shown(value: Any) -> str:
    """A value as it was written, if it is short and no address."""
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value) if isinstance(value, str) else str(value)
    return "another value" if "://" in text else text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"


def _missing(finding: FieldFinding, model: type[BaseModel]) -> str:
    meaning = _SENTENCE.split(described(model, finding.where))[0].rstrip(".:;")
    return f"is missing: {meaning}" if meaning else "is missing: declare it"


def _nobody_knows(finding: FieldFinding, model: type[BaseModel]) -> str:
    known = field_names(model, finding.where[:-1])
    return f"there is no such field here; {meant_and_known(str(finding.where[-1]), known)}"


def _none_of(finding: FieldFinding, model: type[BaseModel]) -> str:
    names = _QUOTED.findall(str(finding.context.get("expected") or finding.context.get("expected_tags") or ""))
    given = finding.context.get("tag", finding.given)
    return f"{shown(given)} is none of them; {meant_and_known(str(given), names)}"


def _without_kind(finding: FieldFinding, model: type[BaseModel]) -> str:
    kind = str(finding.context.get("discriminator", "'kind'")).strip("'")
    return f"`{kind}` is missing: it says which of several things this is"


def _expected(what: str) -> Callable[[FieldFinding, type[BaseModel]], str]:
    def say(finding: FieldFinding, model: type[BaseModel]) -> str:
        return f"expected {what}, found {shown(finding.given)}"

    return say


def _pattern(finding: FieldFinding, model: type[BaseModel]) -> str:
    pattern = str(finding.context.get("pattern", ""))
    if pattern == _IDENTIFIER:
        fitting = re.sub(r"[^a-z0-9_]+", "_", str(finding.given).lower()).strip("_")
        example = f": write {fitting!r}" if re.fullmatch(_IDENTIFIER, fitting) else ""
        return f"{shown(finding.given)} is no name: lower-case letters, digits and _, a letter first{example}"
    meaning = described(model, finding.where)
    if _OWNER in pattern:
        return f"{shown(finding.given)} is no owner: write `team:name` or an e-mail address"
    return f"{shown(finding.given)} is not written as it has to be: {meaning or pattern}"


def _limit(words: str, key: str) -> Callable[[FieldFinding, type[BaseModel]], str]:
    def say(finding: FieldFinding, model: type[BaseModel]) -> str:
        return f"is {shown(finding.given)}: it has to be {words} {finding.context.get(key)}"

    return say


def _too_short(finding: FieldFinding, model: type[BaseModel]) -> str:
    least = finding.context.get("min_length", 1)
    return f"needs {least} or more, and has {finding.context.get('actual_length', 'fewer')}: add what is meant"


_LIST = "a list (`[one, two]`, or lines that begin with `- `)"
_MAPPING = "a mapping (lines of `name: value`)"
_WORDS: Mapping[str, Callable[[FieldFinding, type[BaseModel]], str]] = {
    "missing": _missing,
    "extra_forbidden": _nobody_knows,
    "literal_error": _none_of,
    "union_tag_invalid": _none_of,
    "union_tag_not_found": _without_kind,
    "string_pattern_mismatch": _pattern,
    "too_short": _too_short,
    "string_too_short": _too_short,
    "greater_than_equal": _limit("at least", "ge"),
    "greater_than": _limit("more than", "gt"),
    "less_than_equal": _limit("at most", "le"),
    "less_than": _limit("less than", "lt"),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), _expected("a whole number")),
    **dict.fromkeys(("float_type", "float_parsing"), _expected("a number")),
    **dict.fromkeys(("bool_type", "bool_parsing"), _expected("true or false")),
    **dict.fromkeys(
        ("date_type", "date_parsing", "date_from_datetime_parsing"), _expected("a day, such as 2026-01-31")
    ),
    "string_type": _expected("text (numbers and true or false in quotes are text)"),
    **dict.fromkeys(("tuple_type", "list_type"), _expected(_LIST)),
    **dict.fromkeys(("model_type", "model_attributes_type", "dict_type"), _expected(_MAPPING)),
}
