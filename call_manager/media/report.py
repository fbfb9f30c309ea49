"""A leg's `MediaReport` as plain JSON, as the attempt's row keeps it (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from call_manager.channel import MediaReport, RtpCount

_REPORT: Final = tuple(field.name for field in fields(MediaReport))
_COUNT: Final = tuple(field.name for field in fields(RtpCount))


def to_plain(report: MediaReport) -> dict[str, Any]:
    """Return a report as JSON's own types; times as RFC 3339 in UTC."""
    # By name: `asdict` copies deeply, which costs more than everything else about a report.
    plain = {name: getattr(report, name) for name in _REPORT}
    return {
        **plain,
        "attempt_id": str(report.attempt_id),
        "other_payloads": list(report.other_payloads),
        "sent": _plain_count(report.sent),
        "received": _plain_count(report.received),
    }


def _plain_count(count: RtpCount) -> dict[str, Any]:
    plain = {name: getattr(count, name) for name in _COUNT}
    for name in ("first_at", "last_at"):
        if plain[name] is not None:
            plain[name] = plain[name].isoformat()
    return plain


def of_plain(plain: Mapping[str, Any]) -> MediaReport:
    """Return the report that `to_plain` wrote; raises KeyError, TypeError or ValueError."""
    counts = {name: _count(plain[name]) for name in ("sent", "received")}
    return MediaReport(
        **{
            **plain,
            **counts,
            "attempt_id": UUID(plain["attempt_id"]),
            "other_payloads": tuple(plain["other_payloads"]),
        }
    )


def _count(plain: Mapping[str, Any]) -> RtpCount:
    first, last = (
        None if plain[name] is None else datetime.fromisoformat(plain[name])
        for name in ("first_at", "last_at")
    )
    return RtpCount(**{**plain, "first_at": first, "last_at": last})
