"""What a dialog in use shares with its leg."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from call_manager.sip.dialog import Dialog
from call_manager.sip.effects import Destination, Hop
from call_manager.sip.endings import Ending
from call_manager.sip.exchange import Exchange
from call_manager.sip.message import Authenticator
from call_manager.sip.requests import Identity
from call_manager.sip.sdp import LocalAudio, RemoteAudio
from call_manager.sip.session_timer import Wish

OnEnd = Callable[[Ending], None]
"""Told once how the dialog ended."""


def ignore_end(_ending: Ending) -> None:
    """For dialogs nobody waits for: the extra answers of a forked INVITE."""


@dataclass(slots=True)
class SessionContext:
    """What a session shares with its leg."""

    exchange: Exchange
    identity: Identity
    destination: Destination
    """Where the INVITE went; used when the dialog's own next hop cannot be."""
    on_end: OnEnd = ignore_end
    on_audio: Callable[[RemoteAudio], None] = field(default=lambda _: None)
    pinned: bool = False
    """Whether `destination` is used even when the dialog names a next hop."""
    authenticator: Authenticator | None = None
    audio: LocalAudio | None = None
    """Our side of the media; None refuses every media change, as for a call being ended."""
    wish: Wish = field(default_factory=lambda: Wish(0, 0))
    """The session timer that our INVITE asked for."""

    def hop(self, dialog: Dialog) -> Hop:
        """Where the dialog's requests go."""
        return Hop("" if self.pinned else dialog.next_hop, self.destination)
