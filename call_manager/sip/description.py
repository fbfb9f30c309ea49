"""Our side of a dialog's session description: what we said last, and when it counts as new."""

from __future__ import annotations

from call_manager.sip.sdp import LocalAudio, RemoteAudio, write_answer, write_offer


class Description:
    """What the peer knows of our audio.

    The version in the `o=` line grows exactly when the text changes (RFC 3264 section 8), so
    that a peer may take an unchanged one for a mere refresh (RFC 4028 section 7.4).
    """

    def __init__(self, audio: LocalAudio) -> None:
        self.audio = audio
        self._version = 1
        self.text = write_offer(audio)
        """The last one that was sent."""

    def offer(self) -> bytes:
        """Offer everything anew, for a re-INVITE that brought no offer (section 14.2)."""
        return self._say(write_offer(self.audio, version=self._version), None)

    def answer(self, remote: RemoteAudio) -> bytes:
        """Answer the peer's offer."""
        return self._say(write_answer(self.audio, remote, version=self._version), remote)

    def _say(self, text: bytes, remote: RemoteAudio | None) -> bytes:
        if text != self.text:
            self._version += 1
            if remote is None:
                text = write_offer(self.audio, version=self._version)
            else:
                text = write_answer(self.audio, remote, version=self._version)
            self.text = text
        return text
