"""Path templates of `google.api.http`: parsed at boot, bound per request.

    Template  = "/" Segments [ ":" LITERAL ] ;
    Segments  = Segment { "/" Segment } ;
    Segment   = "*" | "**" | LITERAL | Variable ;
    Variable  = "{" FieldPath [ "=" Segments ] "}" ;
    FieldPath = IDENT { "." IDENT } ;

`**` stands for the rest of the path, so nothing but a verb may follow it. Source: the comments
of google/api/http.proto, "Path template syntax".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final
from urllib.parse import unquote

from mesh.contract import ContractError

_LITERAL: Final = re.compile(r"[A-Za-z0-9._~-]+")
_FIELD_PATH: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
_BROKEN_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SLASH_ESCAPE: Final = re.compile(r"%(2[Ff])")


class TemplateError(ContractError):
    """A path template is malformed; it stops the boot, never a request."""


class Wildcard(Enum):
    """A segment that matches more than one text."""

    ONE = "*"
    """Exactly one segment, not empty."""
    REST = "**"
    """All segments that are left, none included."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A field that part of the path fills."""

    field_path: str
    """`id`, or `resource.id` for a field of a field."""
    start: int
    """The first segment, from 0."""
    end: int | None
    """The segment after the last; None: to the end of the path."""
    whole: bool
    """Matches one segment, so that `%2F` in it is a slash of the value."""


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed path template."""

    text: str
    segments: tuple[str | Wildcard, ...]
    variables: tuple[Variable, ...]
    verb: str
    """What follows the colon; empty for none."""

    def bind(self, raw: Sequence[str]) -> dict[str, str]:
        """Return each variable's value from the path's segments as they came, still encoded.

        The segments must match the template. Values are decoded, except that `%2F` stays as it
        is in a variable of several segments, where decoding would make a separator of it.
        """
        return {variable.field_path: _value(variable, raw) for variable in self.variables}


def parse(text: str) -> Template:
    """Parse a template; raises TemplateError naming the place."""
    return _Parser(text).template()


def decode(segment: str) -> str:
    """Undo a segment's percent-encoding (RFC 3986 section 2.1).

    Raises ValueError for a broken escape and for bytes that are not UTF-8.
    """
    if "%" not in segment:
        return segment
    if _BROKEN_ESCAPE.search(segment):
        raise ValueError("a percent sign is not followed by two hexadecimal digits")
    return unquote(segment, errors="strict")


def _value(variable: Variable, raw: Sequence[str]) -> str:
    taken = raw[variable.start : variable.end]
    if variable.whole:
        return decode(taken[0])
    return "/".join(decode(_SLASH_ESCAPE.sub(r"%25\1", segment)) for segment in taken)


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._segments: list[str | Wildcard] = []
        self._variables: list[Variable] = []

    def template(self) -> Template:
        self._expect("/")
        self._read_segments(in_variable=False)
        verb = self._literal() if self._taken(":") else ""
        if self._at != len(self._text):
            raise self._mistake("unexpected text")
        if Wildcard.REST in self._segments[:-1]:
            raise self._mistake("`**` is not the last segment")
        names = [variable.field_path for variable in self._variables]
        if len(set(names)) != len(names):
            raise self._mistake("a variable stands twice")
        return Template(self._text, tuple(self._segments), tuple(self._variables), verb)

    def _read_segments(self, *, in_variable: bool) -> None:
        self._read_segment(in_variable=in_variable)
        while self._taken("/"):
            self._read_segment(in_variable=in_variable)

    def _read_segment(self, *, in_variable: bool) -> None:
        if self._taken("**"):
            self._segments.append(Wildcard.REST)
        elif self._taken("*"):
            self._segments.append(Wildcard.ONE)
        elif self._taken("{"):
            if in_variable:
                raise self._mistake("a variable inside a variable")
            self._read_variable()
        else:
            self._segments.append(self._literal())

    def _read_variable(self) -> None:
        field_path = self._match(_FIELD_PATH, "a field path")
        start = len(self._segments)
        if self._taken("="):
            self._read_segments(in_variable=True)
        else:
            self._segments.append(Wildcard.ONE)
        self._expect("}")
        rest = self._segments[-1] is Wildcard.REST
        end = None if rest else len(self._segments)
        whole = not rest and len(self._segments) - start == 1
        self._variables.append(Variable(field_path, start, end, whole))

    def _literal(self) -> str:
        return self._match(_LITERAL, "a segment")

    def _match(self, pattern: re.Pattern[str], expected: str) -> str:
        found = pattern.match(self._text, self._at)
        if found is None:
            raise self._mistake(f"expected {expected}")
        self._at = found.end()
        return found[0]

    def _taken(self, token: str) -> bool:
        if not self._text.startswith(token, self._at):
            return False
        self._at += len(token)
        return True

    def _expect(self, token: str) -> None:
        if not self._taken(token):
            raise self._mistake(f"expected `{token}`")

    def _mistake(self, what: str) -> TemplateError:
        return TemplateError(f"{self._text!r}, at {self._at}: {what}")
