"""Why a sound cannot be had.

No RPC answers with these: an action of a flow fails with the sentence, and the flow goes on.
"""

from __future__ import annotations

from mesh.errors import InvalidArgument


class SoundUnavailable(InvalidArgument):
    """A sound cannot be played; the message is a sentence that names no address of ours."""


class SpeechFailed(InvalidArgument):
    """A text cannot be said; the message is a sentence."""
