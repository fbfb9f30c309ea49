"""What a channel does, what it asks of a journal, and what a leg offers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from call_manager.channel.events import ChannelEvent
from call_manager.channel.records import (
    AttemptOutcome,
    DialogRecord,
    InviteRecord,
    MediaReport,
    ProbeResult,
    StoredAttempt,
    WireMessage,
)
from call_manager.channel.target import DialTarget, NextHop


class CallJournal(Protocol):
    """Where a channel writes what must not be lost. Every awaited method returns after COMMIT."""

    async def invite_planned(self, record: InviteRecord) -> None:
        """Commit before the INVITE leaves. If this raises, nothing is sent for it."""

    async def dialog_confirmed(self, record: DialogRecord) -> None:
        """Commit a 2xx's dialog; the ACK leaves whether or not this succeeds."""

    async def attempt_updated(self, outcome: AttemptOutcome) -> None:
        """Keep an attempt's times and, once known, its final answer.

        A final answer that refuses is committed at return; the rest of an attempt that lives, or
        was answered, soon after, and before the call's end is.
        """

    def message(self, message: WireMessage) -> None:
        """Keep one datagram. Returns at once; the journal writes in batches, in order."""

    def rtp(self, chunk: bytes) -> None:
        """Keep captured RTP (`call_manager.media.capture`). Returns at once, writes in order."""

    async def media_measured(self, report: MediaReport) -> None:
        """Keep what a leg's audio was like; once for each leg that had audio, at its end."""


class Listener(Protocol):
    """Who is told what was said and heard on a leg."""

    def frame(self, heard: bytes, said: bytes) -> None:
        """Take 20 ms of both sides, 160 octets of PCMU each; silence where there was none.

        Called on the event loop between two packets: returns at once, and never raises.
        """


class Media(Protocol):
    """What is heard on a leg, and what comes from it.

    Silence flows whenever nothing else is played. What plays is heard in the order of the calls;
    cancelling one of them ends what it plays with the next packet. All of them return at once when
    the leg has no audio, and when it ends.
    """

    @property
    def flows(self) -> bool:
        """Whether the peer's audio is described, so that what is played can be heard."""

    async def beep(self, *, frequency_hz: float = 1000.0, duration_s: float = 0.5) -> None:
        """Play one tone; returns when its last packet has left, or the leg ended."""

    async def play(self, sound: bytes) -> None:
        """Play 16-bit linear samples (little-endian, 8000 Hz, mono); returns as `beep` does."""

    async def echo(self) -> None:
        """Send back what is heard, until it is cancelled or the leg ends."""

    async def send_digits(self, digits: str, *, duration_ms: int, interval_ms: int) -> None:
        """Send telephone events (RFC 4733), one digit after the other; `0-9 A-D * #`.

        As tones in the audio where the peer's description has no telephone events.
        """

    async def digit(self) -> str:
        """Wait for the next digit that the peer sends, each once however often it is repeated.

        Those that came before it was asked for wait, the newest 100, the oldest of them first.
        Empty when the leg has no audio, or ended: then no other will come.
        """

    def listen(self, listener: Listener) -> None:
        """Tell `listener` of every frame from now on, beside those that are told already."""

    def leave(self, listener: Listener) -> None:
        """Stop telling it; harmless when it is not told."""


class Leg(Protocol):
    """One placed leg."""

    @property
    def media(self) -> Media:
        """The leg's audio; plays into nothing before answer and after the end."""

    async def next_event(self) -> ChannelEvent:
        """The next event in order. After `Ended` it must not be asked again."""

    def hangup(self, *, elsewhere: bool = False) -> None:
        """End the leg: CANCEL before a final answer, BYE after. Asking twice is harmless.

        `elsewhere` has the CANCEL say that another leg was answered (RFC 3326 section 2).
        """


class Channel(Protocol):
    """A way to place legs. One per process."""

    @property
    def address(self) -> str:
        """The `host:port` the channel answers at."""

    async def start(self) -> None:
        """Bind sockets; raises `mesh.start.StartRefused` when the address is taken."""

    async def stop(self, *, grace_s: float) -> None:
        """Hang every live leg up, wait up to `grace_s` for their ends, close the sockets."""

    def dial(self, target: DialTarget, journal: CallJournal) -> Leg:
        """Place a leg. Returns at once; whatever goes wrong is an `Ended` event."""

    async def probe(self, hop: NextHop, *, route: str = "", timeout_s: float = 5.0) -> ProbeResult:
        """Ask a carrier with OPTIONS whether it is there; never raises for what the wire does.

        Sent outside every call, over the hop's own transport and DNS, repeated as RFC 3261
        section 17.1.2 says within `timeout_s`; the next address is tried when one is unreachable.
        """

    async def clear(self, attempts: Sequence[StoredAttempt], journal: CallJournal) -> None:
        """End what a dead process left: CANCEL (ACK and BYE a late 2xx) or BYE, never INVITE.

        Returns when each is over or its timers ran out; the ends go to the journal.
        """
