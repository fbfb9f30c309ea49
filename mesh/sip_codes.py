"""Lists of SIP status codes as administrators write them: `503`, `5xx` (RFC 3261 section 21)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

_CODE: Final = re.compile(r"[1-6][0-9]{2}\Z", re.ASCII)
_CLASS: Final = re.compile(r"[1-6]xx\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class CodeSet:
    """Codes and whole classes of codes."""

    codes: frozenset[int]
    classes: frozenset[int]
    """1 for `1xx` to 6 for `6xx`."""

    @classmethod
    def parse(cls, elements: Iterable[str], *, first: int) -> CodeSet:
        """Read elements such as `503` and `5xx`, of codes from `first` on.

        Raises ValueError, with a sentence, for anything else, and for an element that is there
        twice.
        """
        seen: set[str] = set()
        for element in elements:
            if not (_CODE.match(element) or _CLASS.match(element)):
                raise ValueError(f"{element!r} is neither a SIP code nor a class such as 5xx.")
            if int(element.replace("x", "9")) < first:
                raise ValueError(f"{element!r} is below {first}.")
            if element in seen:
                raise ValueError(f"{element!r} is there twice.")
            seen.add(element)
        codes = frozenset(int(element) for element in seen if element.isdigit())
        classes = frozenset(int(element[0]) for element in seen if not element.isdigit())
        return cls(codes, classes)

    def __contains__(self, code: object) -> bool:
        """Tell whether a code is in the list, by itself or by its class."""
        return isinstance(code, int) and (code in self.codes or code // 100 in self.classes)
