"""Actions that the other side can hear, and those that listen to it.

What an option left out means is up to the one who does the action; it is said here for the reader.
"""

from __future__ import annotations

from typing import Final

from flow_manager.action.domain import ActionType
from flow_manager.action.option import (
    URL_CHARACTERS_MAX,
    WAIT_MS_MAX,
    Option,
    boolean,
    integer,
    keys,
    one_of,
    sound,
    text,
)

TEXT_CHARACTERS_MAX: Final = 5000
"""The longest text that is spoken in one action."""

STREAM_URLS_MAX: Final = 10
"""The most sounds that are played in one action."""

RECORDING_S_MAX: Final = 3600
"""The longest recording, and the longest silence in one: one hour."""

_LANGUAGE_CHARACTERS_MAX: Final = 35
_VOICE_CHARACTERS_MAX: Final = 255
_KEYS: Final = tuple("0123456789*#")

BEEP = ActionType("beep", "Plays a short tone.")

TALK = ActionType(
    "talk",
    "Speaks a text.",
    (
        Option(
            "text",
            text(1, TEXT_CHARACTERS_MAX),
            f"What to say: 1 to {TEXT_CHARACTERS_MAX} characters.",
            required=True,
            replaceable=True,
            waiting_max=TEXT_CHARACTERS_MAX,
        ),
        Option(
            "language",
            text(0, _LANGUAGE_CHARACTERS_MAX),
            "The text's language, for example en-US; English when left out.",
            replaceable=True,
        ),
        Option(
            "provider",
            one_of("", "gcp", "aws"),
            "Whose voice was meant; one voice speaks for all.",
        ),
        Option(
            "voice_id",
            text(0, _VOICE_CHARACTERS_MAX),
            "Which voice was meant; one voice speaks for all.",
            replaceable=True,
        ),
        Option(
            "digits_handle",
            one_of("", "next"),
            "What a key does that is pressed meanwhile: nothing, or next: end the action.",
        ),
        Option(
            "async",
            boolean,
            "Whether the flow goes on while the text is spoken; false when left out.",
        ),
    ),
)

PLAY = ActionType(
    "play",
    "Plays sounds, one after another.",
    (
        Option(
            "stream_urls",
            sound,
            f"Where the sounds are: 1 to {STREAM_URLS_MAX} URLs of http or https, or"
            f" audio_file:<UUID>, of at most {URL_CHARACTERS_MAX} characters each.",
            required=True,
            replaceable=True,
            waiting_max=URL_CHARACTERS_MAX,
            items_max=STREAM_URLS_MAX,
        ),
    ),
)

ECHO = ActionType(
    "echo",
    "Sends back what it hears.",
    (
        Option(
            "duration",
            integer(0, WAIT_MS_MAX),
            f"How long, in milliseconds: an integer from 0 to {WAIT_MS_MAX}; 180000 when left out.",
        ),
    ),
)

DIGITS_SEND = ActionType(
    "digits_send",
    "Presses keys.",
    (
        Option(
            "digits",
            keys(1, 100),
            "The keys: 1 to 100 of 0-9, A-D, # and *.",
            required=True,
            replaceable=True,
        ),
        Option(
            "duration",
            integer(100, 1000),
            "How long each is held, in milliseconds: an integer from 100 to 1000; 200 when left"
            " out.",
        ),
        Option(
            "interval",
            integer(0, 5000),
            "The pause between two, in milliseconds: an integer from 0 to 5000; 100 when left out.",
        ),
    ),
)

DIGITS_RECEIVE = ActionType(
    "digits_receive",
    "Waits for keys, and keeps them in voipbin.call.digits.",
    (
        Option(
            "duration",
            integer(0, WAIT_MS_MAX),
            f"How long to wait in all, in milliseconds: an integer from 0 to {WAIT_MS_MAX}; 10000"
            " when left out.",
        ),
        Option(
            "key",
            keys(0, 16),
            "The keys that end it: at most 16 of 0-9, A-D, # and *; none when left out.",
            replaceable=True,
        ),
        Option(
            "length",
            integer(0, 100),
            "How many keys end it: an integer from 0 to 100; 0 or left out: no number of them.",
        ),
    ),
)

RECORDING_START = ActionType(
    "recording_start",
    "Begins a recording, and keeps its id in voipbin.recording.id.",
    (
        Option("format", one_of("wav"), "The file's format: wav; mp3 and ogg are not written."),
        Option(
            "end_of_silence",
            integer(0, RECORDING_S_MAX),
            f"The silence that ends it, in seconds: an integer from 0 to {RECORDING_S_MAX}; 0 or"
            " left out: none does.",
        ),
        Option(
            "end_of_key",
            one_of("none", "any", *_KEYS),
            "The key that ends it: one of 0-9, * and #, any, or none.",
        ),
        Option(
            "duration",
            integer(0, RECORDING_S_MAX),
            f"The longest recording, in seconds: an integer from 0 to {RECORDING_S_MAX}; 0 or left"
            " out: until the call ends.",
        ),
        Option("beep_start", boolean, "Whether a tone says that it begins; false when left out."),
    ),
)

RECORDING_STOP = ActionType("recording_stop", "Ends the recording.")
