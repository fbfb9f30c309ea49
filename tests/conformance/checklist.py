"""The checklist of CONTRACT.md section 8 in its own words, and which tests hold which item."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

CHECKLIST: Final = (
    "login success/failure shapes",
    "five credential positions and their precedence",
    "401 versus 403",
    "each error reason reachable",
    "rate-limit reply",
    "pagination end and bounds",
    "provider create/full-replace/delete/GET-deleted",
    "codec validation edges",
    "header skipping",
    "route merge order with duplicates",
    "forced single provider",
    "source rules (four branches)",
    "anonymous three values",
    "every row of 3.2",
    "every row of 3.3",
    "every row of 3.4",
    "group ring and answer methods",
    "whitelist empty/mismatch",
    "outbound config partial update",
    "access-key one-time token",
    "webhook envelope, signature and retry",
    "timeline 404/503",
    "provider call with missing source",
    "provider call with deleted provider",
    "provider call with mixed destination types",
    "provider call with one failing destination",
    "provider call with timeout",
    "key order of objects",
)
LATER: Final[Mapping[str, str]] = {
    "webhook envelope, signature and retry": "webhooks are not served yet",
}
"""Items that nothing can be asked for yet, and why."""

_held: dict[str, list[str]] = {}

F = TypeVar("F", bound=Callable[..., Any])


def holds(*items: str) -> Callable[[F], F]:
    """Say which items of the checklist a test holds; only those that exist can be named."""

    def note(test: F) -> F:
        for item in items:
            assert item in CHECKLIST, item
            _held.setdefault(item, []).append(test.__name__)
        return test

    return note


def held() -> Mapping[str, list[str]]:
    """Return the tests of each item, of the modules that were imported so far."""
    return _held
