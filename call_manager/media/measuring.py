"""From a stream's books to the figures of its report (pure)."""

from __future__ import annotations

from call_manager.channel import RtpCount
from call_manager.media.quality import delay_ms, loss_share, mos
from call_manager.media.reception import Reception, moment
from call_manager.media.rtcp_session import RtcpSession, Sent


def sent_count(sent: Sent, session: RtcpSession) -> RtpCount:
    """Return what left, and what the peer's reports say of it."""
    return RtpCount(
        packets=sent.packets,
        octets=sent.octets,
        first_at=moment(sent.first_ns),
        last_at=moment(sent.last_ns),
        lost=session.lost,
        jitter_ms=session.jitter_ms,
        jitter_max_ms=session.jitter_max_ms,
        gap_max_ms=session.stalled_ns / 1e6,
    )


def opinion(received: Reception, rtt_ms: float | None) -> float | None:
    """Return the mean opinion score of what came; None when nothing did."""
    count = received.count()
    if not count.packets:
        return None
    loss = loss_share(count.packets, count.lost) or 0.0
    return mos(loss, delay_ms(rtt_ms, count.jitter_ms))
