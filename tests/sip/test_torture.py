"""RFC 4475's torture messages and fuzzed ones, at the parser's edge and at a live call.

`make fuzz-sip` runs the same properties longer, and a coverage-guided fuzzer after them.
"""

from __future__ import annotations

import os
import random
import re
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from call_manager.channel import Answered, Ended, EndedBy
from call_manager.sip.channel import SipChannel
from call_manager.sip.effects import Destination
from call_manager.sip.message import MalformedMessageError, Request, encode, parse
from call_manager.sip.strangers import Strangers
from tests.support.journal import MemoryJournal
from tests.support.sip_calls import a_target, end_of, until
from tests.support.sip_core import a_call
from tests.support.sip_mutations import (
    SOUP,
    STEPS,
    Edit,
    bend,
    bent_tortures,
    live,
    read_everything,
)
from tests.support.sip_peer import Reply, sip_peer
from tests.support.torture import TORTURES, Torture

EXAMPLES: Final = int(os.environ.get("FUZZ_SIP_EXAMPLES", "300"))
FUZZED: Final = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
HERE: Final = Destination(("127.0.0.1", 5060))
CALL_ID: Final = re.compile(rb"(?im)^(call-id|i)([ \t]*):[^\r\n]*")


@pytest.mark.parametrize("torture", TORTURES, ids=lambda torture: torture.section)
def test_a_torture_message_is_read_or_refused_as_the_table_says(torture: Torture) -> None:
    read_everything(torture.raw)
    try:
        message = parse(torture.raw)
    except MalformedMessageError:
        assert not torture.read
        return
    assert torture.read
    answer = Strangers().answer(message, HERE) if isinstance(message, Request) else None
    assert (None if answer is None else answer.code) == torture.answer
    if answer is not None:
        again = parse(encode(answer))
        assert again.values("Via")[1:] == message.values("Via")[1:]
        assert again.call_id == message.call_id
        assert again.cseq == message.cseq


def test_every_difference_from_the_rfc_is_explained() -> None:
    for torture in TORTURES:
        assert (torture.read == torture.valid) or torture.why, torture.section


def test_every_section_of_the_rfc_has_its_message() -> None:
    sections = [
        *(f"3.1.1.{n}" for n in range(1, 14)),
        *(f"3.1.2.{n}" for n in range(1, 20)),
        *("3.2.1", *(f"3.3.{n}" for n in range(1, 16)), "3.4.1"),
    ]
    assert [torture.section for torture in TORTURES] == sections


def test_what_a_torture_message_bends_is_understood() -> None:
    short = parse(TORTURES[0].raw)
    assert short.to_tag == "1918181833n"
    assert short.from_tag == "98asjd8"
    assert (short.cseq.number, short.cseq.method) == (9, "INVITE")
    assert (short.via.host, short.via.branch) == ("192.0.2.2", "z9hG4bK390skdjuw")
    assert len(short.values("Via")) == 3
    assert short.value("Contact").startswith('"Quoted string')
    wide = parse(TORTURES[1].raw)
    assert wide.from_tag == "_token~1'+`*%!-."
    assert wide.call_id == "intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{"


async def test_a_call_survives_every_torture_message_with_its_call_id(
    quick: SipChannel,
) -> None:
    """As one that rings, then as one that talks; what was heard is on record byte for byte."""
    journal = MemoryJournal()
    async with sip_peer() as peer:
        leg = quick.dial(a_target(peer.port), journal)
        invite = await peer.hear("INVITE")
        ours = invite.header("Call-ID").encode()
        messages = [CALL_ID.sub(rb"\1\2:" + ours, torture.raw) for torture in TORTURES]
        for raw in messages:
            peer.send(raw, invite.source)
        peer.request("OPTIONS", invite, cseq=1)
        await peer.hear("481")
        assert not any(isinstance(event, Ended) for event in leg._events)
        body = (
            "v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio 9 RTP/AVP 0\r\n",
            ("Content-Type: application/sdp",),
        )
        peer.reply(invite, Reply(200, headers=body[1], body=body[0]))
        await until(leg, Answered)
        for raw in messages:
            peer.send(raw, invite.source)
        peer.request("OPTIONS", invite, cseq=2)
        await peer.hear("200")
        leg.hangup()
        bye = await peer.hear("BYE")
        peer.reply(bye, Reply(200))
        ended = await end_of(leg)
        assert (ended.by, ended.code) == (EndedBy.LOCAL, 200)
        recorded = {message.raw for message in journal.messages if not message.sent}
        with_our_id = [raw for raw in messages if ours in raw]
        assert sum(raw in recorded for raw in with_our_id) >= len(with_our_id) - 2


@FUZZED
@given(bent_tortures())
def test_no_bent_message_is_more_than_malformed(raw: bytes) -> None:
    read_everything(raw)


@FUZZED
@given(SOUP)
def test_no_soup_of_octets_is_more_than_malformed(raw: bytes) -> None:
    read_everything(raw)
    read_everything(b"OPTIONS sip:a@b SIP/2.0\r\n" + raw)
    read_everything(TORTURES[5].raw.replace(b"Accept: x", b"") + raw)


@settings(FUZZED, max_examples=max(1, EXAMPLES // 2))
@given(STEPS)
def test_no_carrier_leaves_a_leg_without_exactly_one_end(
    steps: list[tuple[str, list[Edit]]],
) -> None:
    world = live(steps)
    assert world.core.ended
    assert len([event for event in world.events if isinstance(event, Ended)]) == 1
    assert isinstance(world.events[-1], Ended)
    assert world.core.finished or not world.timers


@pytest.mark.parametrize("depth", [10, 1000, 20_000])
@pytest.mark.parametrize(
    "nested",
    [
        lambda n: b'Contact: "' + b'\\"' * n + b'" <sip:a@b>',
        lambda n: b"Contact: " + b"<" * n + b"sip:a@b" + b">" * n,
        lambda n: b"Subject: " + b"(" * n + b")" * n,
        lambda n: b"Reason: " + b'Q.850;text="' * n,
        lambda n: b"WWW-Authenticate: Digest " + b'realm="' * n,
        lambda n: b"Record-Route: " + b"<sip:p;lr>," * (n // 8),
        lambda n: b"Session-Expires: " + b";refresher=" * (n // 8),
        lambda n: b"Supported: " + b"timer," * (n // 8),
    ],
)
def test_deep_headers_are_read_in_the_time_of_flat_ones(depth: int, nested: object) -> None:
    header = nested(depth)  # type: ignore[operator]
    for torture in (TORTURES[5], TORTURES[11]):
        read_everything(torture.raw.replace(b"\r\n", b"\r\n" + header + b"\r\n", 1))


async def test_a_live_socket_survives_what_is_thrown_at_it(quick: SipChannel) -> None:
    dice = random.Random(4475)
    async with sip_peer() as peer:
        leg = quick.dial(a_target(peer.port), MemoryJournal())
        invite = await peer.answer()
        await until(leg, Answered)
        ours = invite.header("Call-ID").encode()
        seeds = [encode(message) for message in a_call().sent]
        seeds += [CALL_ID.sub(rb"\1\2:" + ours, torture.raw) for torture in TORTURES]
        for round_ in range(40):
            for _ in range(10):
                edits = [
                    (
                        dice.choice(["insert", "cut", "double", "flip", "swap lines", "end"]),
                        dice.randrange(10_001),
                        dice.randrange(200),
                        dice.randbytes(dice.randrange(12)),
                    )
                    for _ in range(dice.randrange(1, 5))
                ]
                peer.send(bend(dice.choice(seeds), edits)[:60_000], invite.source)
            peer.request("OPTIONS", invite, cseq=round_ + 1)
            await peer.hear("200")
        leg.hangup()
        peer.reply(await peer.hear("BYE"), Reply(200))
        assert (await end_of(leg)).by is EndedBy.LOCAL


@given(st.binary(max_size=20), st.integers(0, 10_000))
@settings(max_examples=20)
def test_bending_nothing_changes_nothing(raw: bytes, where: int) -> None:
    assert bend(raw, []) == raw
    assert bend(bend(raw, [("flip", where, 0, b"")]), [("flip", where, 0, b"")]) == raw
