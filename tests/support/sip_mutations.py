"""Messages bent as no carrier bends them: what the fuzzers of the SIP side draw from.

The seeds are messages of a real call and RFC 4475's; a mutation is a short list of edits to
octets and lines, so that what fails shrinks to something a person can read.
"""

from __future__ import annotations

import time
from typing import Final

from hypothesis import strategies as st

from call_manager.channel import Credentials
from call_manager.sip.dialog import Dialog
from call_manager.sip.effects import Destination
from call_manager.sip.message import (
    Authenticator,
    MalformedMessageError,
    Message,
    Request,
    Response,
    encode,
    parse,
    phrase_of,
    q850_of,
)
from call_manager.sip.sdp import read
from call_manager.sip.session_timer import agreed_in, agreed_to
from call_manager.sip.strangers import Strangers
from call_manager.sip.trace import Redaction, branch_of, call_id_of, label_of
from call_manager.sip.transport.framing import Framer
from tests.support.sip_core import AUDIO, SipWorld, a_leg
from tests.support.torture import TORTURES

SECONDS_MAX: Final = 0.25
"""Of processor time for one message, however it was made; a usual one takes 0.0002."""

_HERE: Final = Destination(("127.0.0.1", 5060))
_STRANGERS: Final = Strangers()
_CREDENTIALS: Final = Credentials("alice", "secret")
_PIECES: Final = (
    *(b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b"\r\n ", b"\r\n\r\n", b":", b";", b",", b"="),
    *(b'"', b"\\", b"<", b">", b"<" * 500, b'"' * 501, b"\\" * 501, b"(" * 500, b"%", b"%00", b"@"),
    *(b"[", b"]", b"[::1]", b"99999999999999999999", b"-1", b"0", b"4294967296", b"\xff\xfe"),
    *(b"\xc3\xa9", b"\xe2\x80\xa8", b";tag=", b";branch=", b";lr", b";rport", b"sip:", b"tel:"),
    *(b"SIP/2.0", b"Via: SIP/2.0/UDP x;branch=z9hG4bKx\r\n", b"Content-Length: 0\r\n", b"a" * 5000),
    *(b"Session-Expires: 1;refresher=uac\r\n", b"Reason: Q.850;cause=1\r\n", b"x:0\r\n" * 200),
    *(b"WWW-Authenticate: Digest realm=r,nonce=n,qop=auth\r\n", b"Require: timer\r\n"),
    *(b"m=audio 0 RTP/AVP 0\r\n", b"c=IN IP4 0.0.0.0\r\n", b"a=rtpmap:0 \r\n", b"m=" * 400),
)
_SEEDS: Final = tuple(torture.raw for torture in TORTURES)

TIMERS_MAX: Final = 400
"""How many timers may run out between a hangup and the end of everything."""

_EXTRA: Final = (
    ("Session-Expires", "1800;refresher=uac"),
    ("Supported", "timer"),
    ("Allow", "INVITE, UPDATE"),
    ("Min-SE", "1200"),
    ("Reason", 'Q.850;cause=17;text="busy"'),
    ("WWW-Authenticate", 'Digest realm="r", nonce="n", qop="auth"'),
    ("Proxy-Authenticate", 'Digest realm="p", nonce="m", algorithm=SHA-256'),
)

Edit = tuple[str, int, int, bytes]
"""What is done where, in ten-thousandths of the message, how far, and with what."""

EDITS: Final = st.lists(
    st.tuples(
        st.sampled_from(["insert", "cut", "double", "flip", "swap lines", "drop line", "end"]),
        st.integers(0, 10_000),
        st.integers(0, 200),
        st.one_of(st.sampled_from(_PIECES), st.binary(max_size=12)),
    ),
    max_size=6,
)
SOUP: Final = st.one_of(
    st.binary(max_size=400),
    st.lists(st.one_of(st.sampled_from(_PIECES), st.binary(max_size=6)), max_size=40).map(b"".join),
)


def bend(raw: bytes, edits: list[Edit]) -> bytes:
    """Carry edits out, one after the other."""
    for what, where, length, piece in edits:
        at = where * len(raw) // 10_000
        lines = raw.split(b"\r\n")
        line = where * (len(lines) - 1) // 10_000
        match what:
            case "insert":
                raw = raw[:at] + piece + raw[at:]
            case "cut":
                raw = raw[:at] + raw[at + length :]
            case "double":
                raw = raw[:at] + raw[at : at + length] * 3 + raw[at + length :]
            case "flip":
                raw = raw[:at] + bytes(255 - octet for octet in raw[at : at + 1]) + raw[at + 1 :]
            case "swap lines":
                other = length % len(lines)
                lines[line], lines[other] = lines[other], lines[line]
                raw = b"\r\n".join(lines)
            case "drop line":
                raw = b"\r\n".join(lines[:line] + lines[line + 1 :])
            case _:
                raw = raw[:at]
    return raw


def bent_tortures() -> st.SearchStrategy[bytes]:
    """RFC 4475's messages, bent once more."""
    return st.builds(bend, st.sampled_from(_SEEDS), EDITS)


def read_everything(raw: bytes) -> None:
    """Do with a message all that the channel ever does; only `MalformedMessageError` is fine.

    Raises whatever else comes, and `AssertionError` when it took too long.
    """
    begun = time.process_time()
    label_of(raw), call_id_of(raw), branch_of(raw)
    assert len(Redaction(frozenset({"x-secret"}), (b"a" * 16,)).of(raw)) > 0 or not raw
    for whole in Framer().feed(raw):
        assert whole in raw
    try:
        message = parse(raw)
    except MalformedMessageError:
        message = None
    if message is not None:
        _use(message)
    assert time.process_time() - begun < SECONDS_MAX, raw


def _use(message: Request | Response) -> None:
    _of_any(message)
    try:
        encode(message)
    except MalformedMessageError:
        return  # It would not fit a datagram, or hold what may not be written.
    if isinstance(message, Request):
        agreed_to(message, None)
        said = _STRANGERS.answer(message, _HERE)
        if said is not None:
            assert parse(encode(said)).call_id == message.call_id
        return
    phrase_of(message).encode()
    agreed_in(message)
    invite = Request((), b"", "INVITE", "sip:a@b")
    for name, value in Authenticator(_CREDENTIALS).begin().answer(message, invite):
        assert name.endswith("Authorization")
        assert "\n" not in value
    dialog = Dialog.from_answer(message, "127.0.0.1:5060")
    for request in (dialog.ack(), dialog.request("BYE")):
        encode(request)


STEPS: Final = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *(
                    "100",
                    "180",
                    "183",
                    "200",
                    "200 again",
                    "302",
                    "401",
                    "407",
                    "422",
                    "486",
                    "503",
                ),
                *("answer", "BYE", "OPTIONS", "INVITE", "UPDATE", "ACK", "INFO", "CANCEL"),
                *("hang up", "fire", "unreachable"),
            ]
        ),
        EDITS,
    ),
    max_size=10,
)
"""What a carrier does to a leg, each message bent on its way."""


def live(steps: list[tuple[str, list[Edit]]]) -> SipWorld:
    """Take a leg through these steps, then to its end, whatever they were."""
    world = a_leg(credentials=_CREDENTIALS, session_expires_s=600)
    for number, (what, edits) in enumerate(steps):
        world.bend = lambda raw, edits=edits: bend(raw, edits)
        _step(world, number, what)
    world.hang_up()
    for _ in range(TIMERS_MAX):
        if world.core.finished or not world.next_timer():
            break
    return world


def _step(world: SipWorld, number: int, what: str) -> None:
    invite = world.last("INVITE")
    match what:
        case "hang up":
            world.hang_up()
        case "unreachable":
            world.unreachable()
        case "fire":
            world.next_timer()
        case "answer":
            asked = [m for m in world.sent if isinstance(m, Request) and m.method != "ACK"]
            world.answer(asked[-1], 200, body=AUDIO)
        case "200 again":
            world.answer(invite, 200, body=AUDIO, tag=f"fork{number}")
        case _ if what.isdigit():
            world.answer(invite, int(what), _EXTRA, AUDIO if what in {"183", "200"} else b"")
        case _:
            world.ask(what, number + 1, _EXTRA[:1], AUDIO if what in {"INVITE", "UPDATE"} else b"")


def _of_any(message: Message) -> None:
    q850_of(message)
    read(message.body, ("PCMU", "G729"))
    for name in ("from_tag", "to_tag", "via", "cseq", "call_id"):
        getattr(message, name)
