"""Who hears what is said and heard on a leg: listeners, and an echo. Nobody, as a rule."""

from __future__ import annotations

import logging
from typing import Final

from call_manager.channel import Listener
from call_manager.media.g711 import silence, transcoding
from call_manager.media.playout import Playout
from call_manager.media.tones import FRAME_SAMPLES

TOLD_IN: Final = "PCMU"
LISTENERS_MAX: Final = 8

log = logging.getLogger(__name__)


class Audience:
    """Gets the peer's packets, and every 20 ms gives out what is heard of them."""

    def __init__(self, codec: str) -> None:
        """Hear in a G.711 codec, the leg's."""
        self.frame = silence(codec) * FRAME_SAMPLES
        """The 20 ms that are heard in this turn, in the leg's codec."""
        self.codec = codec
        self._listeners: list[Listener] = []
        self._echoes = 0
        self._playout = Playout(silence(codec))

    @property
    def empty(self) -> bool:
        """Whether nobody is there."""
        return not self._listeners and not self._echoes

    def speak(self, codec: str) -> None:
        """Hear in another codec from now on."""
        if codec != self.codec:
            self.codec, self._playout = codec, Playout(silence(codec))
            self.frame = silence(codec) * FRAME_SAMPLES

    def join(self, listener: Listener | None = None) -> None:
        """Let a listener in, or an echo; raises `ValueError` when there is no room."""
        if listener is None:
            self._echoes += 1
        elif len(self._listeners) >= LISTENERS_MAX:
            raise ValueError(f"More than {LISTENERS_MAX} cannot listen to a leg.")
        else:
            self._listeners.append(listener)

    def leave(self, listener: Listener | None = None) -> None:
        """Let a listener go, or an echo; harmless for one that is not there."""
        if listener is None:
            self._echoes = max(0, self._echoes - 1)
        elif listener in self._listeners:
            self._listeners.remove(listener)

    def hear(self, payload: bytes, codec: str, timestamp: int, ssrc: int) -> None:
        """Take one packet of the peer's."""
        if codec != self.codec:
            payload = payload.translate(transcoding(codec, self.codec))
        self._playout.put(payload, timestamp, ssrc)

    @property
    def behind(self) -> bool:
        """Whether more was heard than was given out."""
        return self._playout.behind

    def turn(self) -> None:
        """Begin the next 20 ms."""
        self.frame = self._playout.take()

    def tell(self, said: bytes | bytearray | None) -> None:
        """Tell of both sides in this turn; None is silence."""
        if not self._listeners:
            return
        table = transcoding(self.codec, TOLD_IN)
        heard = self.frame.translate(table)
        said = silence(TOLD_IN) * FRAME_SAMPLES if said is None else bytes(said).translate(table)
        for listener in tuple(self._listeners):
            try:
                listener.frame(heard, said)
            except Exception:
                # The call goes on; whoever cannot listen is told no more.
                log.exception("a listener failed, and hears no more of its leg")
                self.leave(listener)


class Echo:
    """A sound that is what is heard; it ends only when it is cancelled."""

    def __init__(self, audience: Audience) -> None:
        self._audience = audience

    def frame(self, codec: str, *, events: bool) -> bytes:
        """Return the 20 ms that are heard in this turn."""
        return self._audience.frame
