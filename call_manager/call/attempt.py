"""One INVITE of a call as its row keeps it, for whoever looks at it (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping

from call_manager.channel import DnsRecord, MediaReport, TlsPeer
from call_manager.media import report
from call_manager.media.judging import Flow
from mesh.verdict import storable


@dataclass(frozen=True, slots=True)
class Attempt:
    """One INVITE transaction, or a leg that none could be sent for: its `sip_call_id` is empty.

    `models.CallAttemptRow` says what each field means.
    """

    id: UUID
    sequence: int
    leg: int
    continued: bool
    provider_id: UUID | None
    sip_call_id: str
    request_uri: str
    remote_address: str
    transport: str
    dns: tuple[DnsRecord, ...]
    sip_code: int
    """The final SIP status; 0 when none came."""
    sip_reason: str
    codec: str
    tm_invite: datetime
    tm_trying: datetime | None
    tm_ringing: datetime | None
    tm_answered: datetime | None
    tm_end: datetime | None
    tm_first_response: datetime | None
    tm_early_media: datetime | None
    pdd_ms: int | None
    q850_cause: int | None
    q850_text: str
    tls: TlsPeer | None
    detail: str
    media: MediaReport | None
    media_flow: Flow
    """Which ways it went, as it was judged at the end; `UNKNOWN` without a report."""


_FIELDS: Final = tuple(field.name for field in fields(Attempt))


def of_row(row: RowMapping) -> Attempt:
    """Return the attempt that a row of the table stands for."""
    values: dict[str, Any] = {name: row[name] for name in _FIELDS}
    tls, media = row["tls"], row["media"]
    values |= {
        "dns": tuple(DnsRecord(**stored) for stored in row["dns"]),
        "sip_code": row["sip_code"] or 0,
        "q850_text": row["q850_text"] or "",
        "detail": row["detail"] or "",
        "tls": None if tls is None else tls_of_plain(tls),
        "media": None if media is None else report.of_plain(media),
        "media_flow": Flow(row["media_flow"] or Flow.UNKNOWN),
    }
    return Attempt(**values)


def tls_to_plain(peer: TlsPeer) -> dict[str, str]:
    """Return whom we spoke to as JSON; whatever its certificate says can be stored."""
    plain = {**asdict(peer), "not_after": peer.not_after.isoformat()}
    return {name: storable(text) for name, text in plain.items()}


def tls_of_plain(stored: Mapping[str, Any]) -> TlsPeer:
    """Return what `tls_to_plain` wrote."""
    return TlsPeer(**{**stored, "not_after": datetime.fromisoformat(stored["not_after"])})
