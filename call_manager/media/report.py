"""A leg's `MediaReport` as plain JSON, as the attempt's row keeps it (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from call_manager.channel import MediaReport, RtpCount


def to_plain(report: MediaReport) -> dict[str, Any]:
    """Return a report as JSON's own types; times as RFC 3339 in UTC."""
    plain = asdict(report)
    plain["attempt_id"] = str(report.attempt_id)
    plain["other_payloads"] = list(report.other_payloads)
    for direction in ("sent", "received"):
        for name in ("first_at", "last_at"):
            moment = plain[direction][name]
            plain[direction][name] = None if moment is None else moment.isoformat()
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
