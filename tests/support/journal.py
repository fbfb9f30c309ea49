"""A journal that keeps everything in memory, in order, and can be told to refuse."""

from __future__ import annotations

from dataclasses import dataclass, field

from call_manager.channel import (
    AttemptOutcome,
    DialogRecord,
    InviteRecord,
    MediaReport,
    WireMessage,
)


@dataclass
class MemoryJournal:
    """Records what a channel writes; `order` interleaves rows and messages by name."""

    planned: list[InviteRecord] = field(default_factory=list)
    confirmed: list[DialogRecord] = field(default_factory=list)
    outcomes: list[AttemptOutcome] = field(default_factory=list)
    messages: list[WireMessage] = field(default_factory=list)
    captured: list[bytes] = field(default_factory=list)
    measured: list[MediaReport] = field(default_factory=list)
    order: list[str] = field(default_factory=list)
    refuse_after: int = 1_000_000
    """How many INVITEs may be planned before the database is gone."""

    async def invite_planned(self, record: InviteRecord) -> None:
        if len(self.planned) >= self.refuse_after:
            raise OSError("the disk is full")
        self.planned.append(record)
        self.order.append("planned")

    async def dialog_confirmed(self, record: DialogRecord) -> None:
        self.confirmed.append(record)
        self.order.append("confirmed")

    async def attempt_updated(self, outcome: AttemptOutcome) -> None:
        self.outcomes.append(outcome)

    def rtp(self, chunk: bytes) -> None:
        self.captured.append(chunk)

    async def media_measured(self, report: MediaReport) -> None:
        self.measured.append(report)

    def message(self, message: WireMessage) -> None:
        self.messages.append(message)
        self.order.append(f"{'sent' if message.sent else 'received'} {message.method}")

    def sent(self, method: str) -> list[WireMessage]:
        """The messages of one method we sent."""
        return [m for m in self.messages if m.sent and m.method == method]
