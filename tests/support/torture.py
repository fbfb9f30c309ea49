"""The torture messages of RFC 4475: one for each of its sections, with what that section bends.

The octets are in `torture_messages.txt`, one message after its section's number, lines ended by
CRLF on the wire and written with Python's escapes. What the RFC thinks of each stands here, next
to what the channel makes of it; `why` explains where the two differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

_FILE: Final = Path(__file__).parent / "torture_messages.txt"


@dataclass(frozen=True)
class Torture:
    """One message."""

    section: str
    name: str
    valid: bool
    """The RFC's verdict."""
    read: bool
    """Whether our parser takes it."""
    answer: int | None
    """What a stranger who sends it is told; None for silence."""
    why: str = ""

    @property
    def raw(self) -> bytes:
        """The message as it is on the wire."""
        return _MESSAGES[self.section]


def _messages() -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for part in _FILE.read_text("latin-1").split("#### ")[1:]:
        section, _, text = part.removesuffix("\n").partition("\n")
        wire = text.encode("latin-1").decode("unicode_escape").encode("latin-1")
        found[section] = wire.replace(b"\n", b"\r\n")
    return found


_MESSAGES: Final = _messages()

TORTURES: Final = (
    Torture("3.1.1.1", "a short tortuous INVITE", True, True, 481),
    Torture("3.1.1.2", "a wide range of valid characters", True, True, 405),
    Torture("3.1.1.3", "valid use of percent escapes", True, True, 405),
    Torture("3.1.1.4", "escaped NULs in URIs", True, True, 405),
    Torture("3.1.1.5", "a percent sign that is no escape", True, True, 405),
    Torture("3.1.1.6", "no space between a display name and its bracket", True, True, 200),
    Torture(
        "3.1.1.7",
        "long values in header fields",
        True,
        True,
        405,
        "the RFC's topmost Via has no branch, as RFC 2543 allowed; see 3.4.1",
    ),
    Torture("3.1.1.8", "octets after the message in its datagram", True, True, 405),
    Torture("3.1.1.9", "semicolons in the user part", True, True, 200),
    Torture("3.1.1.10", "varied and unknown transports", True, True, 200),
    Torture("3.1.1.11", "a multipart body with octets that are no text", True, True, 405),
    Torture("3.1.1.12", "an unusual reason phrase", True, True, None),
    Torture("3.1.1.13", "an empty reason phrase", True, True, None),
    Torture(
        "3.1.2.1",
        "separators with nothing between them",
        False,
        True,
        405,
        "what is empty says nothing, so nothing is lost by reading on",
    ),
    Torture(
        "3.1.2.2",
        "a Content-Length larger than the message",
        False,
        True,
        405,
        "carriers miscount; what came is what there is",
    ),
    Torture(
        "3.1.2.3", "a negative Content-Length", False, True, 405, "the datagram's own end is used"
    ),
    Torture("3.1.2.4", "a request with numbers that are too large", False, False, None),
    Torture("3.1.2.5", "a response with numbers that are too large", False, False, None),
    Torture(
        "3.1.2.6",
        "an unterminated quoted string",
        False,
        True,
        405,
        "the answer copies the To as it came, and nobody acts on it",
    ),
    Torture(
        "3.1.2.7",
        "brackets around the Request-URI",
        False,
        True,
        405,
        "no Request-URI is acted on, so brackets harm nobody",
    ),
    Torture("3.1.2.8", "white space in the Request-URI", False, False, None),
    Torture("3.1.2.9", "more than one space in the request line", False, False, None),
    Torture(
        "3.1.2.10",
        "spaces at the end of the request line",
        False,
        True,
        200,
        "section 3.1.2.10 allows to read on",
    ),
    Torture(
        "3.1.2.11",
        "headers in the Request-URI",
        False,
        True,
        405,
        "no Request-URI is acted on, so its headers do nothing",
    ),
    Torture(
        "3.1.2.12",
        "a time zone that SIP does not know",
        False,
        True,
        405,
        "the Date is not read (section 3.1.2.12 allows it)",
    ),
    Torture(
        "3.1.2.13",
        "a Contact with parameters and without brackets",
        False,
        True,
        405,
        "the method is refused before anybody reads the Contact",
    ),
    Torture(
        "3.1.2.14",
        "spaces within an address",
        False,
        True,
        200,
        "section 3.1.2.14 allows to ignore them",
    ),
    Torture(
        "3.1.2.15",
        "a display name that needs quotes and has none",
        False,
        True,
        200,
        "section 3.1.2.15 allows to infer the quotes",
    ),
    Torture(
        "3.1.2.16",
        "an unknown version of the protocol",
        False,
        True,
        505,
        "it is read to be told so",
    ),
    Torture("3.1.2.17", "a CSeq that names another method", False, False, None),
    Torture(
        "3.1.2.18", "a CSeq that names another method, and neither is known", False, False, None
    ),
    Torture("3.1.2.19", "a status code that is too large", False, False, None),
    Torture("3.2.1", "a branch that is nothing but its cookie", True, True, 200),
    Torture(
        "3.3.1",
        "required header fields are missing",
        False,
        False,
        None,
        "there is nobody to answer to: no From, To or Call-ID",
    ),
    Torture("3.3.2", "a Request-URI of an unknown scheme", True, True, 416),
    Torture("3.3.3", "a Request-URI of a scheme that is known, and not here", True, True, 416),
    Torture("3.3.4", "unknown schemes in header fields", True, True, 405),
    Torture("3.3.5", "extensions that nobody knows are required", True, True, 420),
    Torture(
        "3.3.6",
        "a body of an unknown type",
        True,
        True,
        405,
        "no call is taken, whatever its body; within a call it is a 415",
    ),
    Torture("3.3.7", "credentials of an unknown scheme", True, True, 405),
    Torture("3.3.8", "several values where there must be one", False, False, None),
    Torture(
        "3.3.9",
        "several Content-Length values",
        False,
        True,
        200,
        "a datagram has its own end, and the body of this request means nothing",
    ),
    Torture("3.3.10", "an answer whose Via is a broadcast address", True, True, None),
    Torture("3.3.11", "a Max-Forwards of zero", True, True, 200),
    Torture("3.3.12", "a Contact with a parameter of its own", True, True, 405),
    Torture("3.3.13", "a Contact whose URI has a parameter", True, True, 405),
    Torture("3.3.14", "a Contact with escaped headers", True, True, 405),
    Torture(
        "3.3.15",
        "an Accept that nobody can satisfy",
        True,
        True,
        405,
        "no call is taken, whatever it accepts",
    ),
    Torture(
        "3.4.1",
        "an INVITE as RFC 2543 wrote it",
        True,
        False,
        None,
        "a sender from before 2002 calls nobody here: no calls are taken",
    ),
)
