"""From the bytes of a body to one JSON object, strictly (RFC 8259, and RFC 7493 on names)."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from api_gateway.transcoder.errors import InvalidJsonBody, shortened

DEPTH_MAX: Final = 32
"""How deep objects and arrays may be nested, the body itself included."""

VALUES_MAX: Final = 10_000
"""How many values may stand in objects and arrays; each costs far more time than its bytes."""

_SURROGATE_ESCAPE: Final = re.compile(r"\\u[dD][89a-fA-F]")


def parse_object(body: bytes) -> dict[str, Any]:
    """Return the object that the body is.

    Raises InvalidJsonBody unless it is UTF-8, one object, each name once in each object, no more
    than 32 deep, of at most 10,000 values, and free of NaN, infinities and half surrogate pairs.
    """
    try:
        text = body.decode("utf-8")
        parsed = _DECODER.decode(text)
    except UnicodeDecodeError as error:
        raise InvalidJsonBody("The body is not UTF-8.", position=str(error.start)) from None
    except json.JSONDecodeError as error:
        raise InvalidJsonBody(
            f"The body is not JSON: {error.msg}.", position=str(error.pos)
        ) from None
    except RecursionError:
        raise _too_deep() from None
    except ValueError:
        # Python refuses to read an integer of thousands of digits.
        raise InvalidJsonBody("A number in the body is too long.") from None
    if not isinstance(parsed, dict):
        raise InvalidJsonBody("The body is not a JSON object.", position="0")
    _check_shape(text, parsed)
    _check_surrogates(text, parsed)
    return parsed


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        # The name may hold half a surrogate pair, which no answer could repeat.
        shown = shortened(_repeated(pairs)).encode("utf-8", "replace").decode("utf-8")
        raise InvalidJsonBody(f"The name {shown!r} stands twice in one object.", name=shown)
    return made


def _repeated(pairs: list[tuple[str, Any]]) -> str:
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            return name
        seen.add(name)
    raise AssertionError("no name stands twice")


def _constant(name: str) -> Any:
    raise InvalidJsonBody(f"{name} is not a JSON number.")


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)


def _too_deep() -> InvalidJsonBody:
    return InvalidJsonBody(f"The body is nested more than {DEPTH_MAX} deep.")


def _check_shape(text: str, parsed: dict[str, Any]) -> None:
    # Every value is the first in its brackets or follows a comma. So few brackets cannot nest
    # deeper, and most bodies have no more.
    brackets = text.count("{") + text.count("[")
    if brackets <= DEPTH_MAX and brackets + text.count(",") <= VALUES_MAX:
        return
    level: list[Any] = [parsed]
    values = 0
    for _ in range(DEPTH_MAX):
        values += sum(len(holder) for holder in level)
        if values > VALUES_MAX:
            raise InvalidJsonBody(f"The body holds more than {VALUES_MAX} values.")
        level = [
            child
            for holder in level
            for child in (holder.values() if isinstance(holder, dict) else holder)
            if isinstance(child, dict | list)
        ]
        if not level:
            return
    raise _too_deep()


def _check_surrogates(text: str, parsed: dict[str, Any]) -> None:
    # Raw UTF-8 cannot hold a half; only an escape can.
    if not _SURROGATE_ESCAPE.search(text):
        return
    try:
        json.dumps(parsed, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidJsonBody("A text in the body holds half a surrogate pair.") from None
