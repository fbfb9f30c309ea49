"""The rules a leg keeps: nothing before its row, never two phones, exactly one end."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace

import pytest

from call_manager.channel import Answered, DnsRecord, Ended, EndedBy, InviteRecord, Progress
from call_manager.sip.channel import SipChannel
from call_manager.sip.settings import SipSettings
from call_manager.sip.transport.lookup import Records
from tests.support.journal import MemoryJournal
from tests.support.sip_calls import ALICE, QUICK_T1_S, a_target, end_of, rest, settings, until
from tests.support.sip_peer import CONTENT, SDP, Reply, sip_peer

OK = Reply(200, "OK", headers=(CONTENT,), body=SDP.format(port=9))
CHALLENGE = 'Digest realm="r", nonce="{nonce}", qop="auth"{more}'


class SlowJournal(MemoryJournal):
    """Commits after its asker gave up, as a database does."""

    def __init__(self) -> None:
        super().__init__()
        self.committed = asyncio.Event()

    async def invite_planned(self, record: InviteRecord) -> None:
        async def commit() -> None:
            await asyncio.sleep(0.15)
            await super(SlowJournal, self).invite_planned(record)
            self.committed.set()

        await asyncio.shield(asyncio.create_task(commit()))


def a_challenge(code: int, nonce: str, more: str = "") -> Reply:
    name = "WWW-Authenticate" if code == 401 else "Proxy-Authenticate"
    header = f"{name}: {CHALLENGE.format(nonce=nonce, more=more)}"
    return Reply(code, "Who", headers=(header,), contact=False)


async def test_nothing_leaves_when_the_row_cannot_be_committed(
    quick: SipChannel, journal: MemoryJournal
) -> None:
    journal.refuse_after = 0
    async with sip_peer() as peer:
        ended = await end_of(quick.dial(a_target(peer.port), journal))
        assert (ended.by, ended.code) == (EndedBy.ERROR, None)
        assert "could not be recorded" in ended.detail
        assert await peer.silence(0.1) == []
        assert journal.messages == []


async def test_no_second_invite_leaves_when_its_row_cannot_be_committed(
    quick: SipChannel, journal: MemoryJournal
) -> None:
    journal.refuse_after = 1
    async with sip_peer() as peer:
        leg = quick.dial(a_target(peer.port, credentials=ALICE), journal)
        peer.reply(await peer.hear("INVITE"), a_challenge(401, "n"))
        assert (await end_of(leg)).by is EndedBy.ERROR
        assert peer.count("INVITE") == 1
        assert await peer.silence(0.1) == ["ACK"]


async def test_a_journal_that_hangs_is_given_up(
    quick: SipChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Hanging(MemoryJournal):
        async def invite_planned(self, record: InviteRecord) -> None:
            await asyncio.Event().wait()

    monkeypatch.setattr("call_manager.sip.runner.JOURNAL_S", 0.1)
    async with sip_peer() as peer:
        ended = await end_of(quick.dial(a_target(peer.port), Hanging()))
        assert ended.by is EndedBy.ERROR
        assert peer.heard == []


@pytest.mark.parametrize(("again", "tries"), [("", 2), (", stale=true", 3)])
async def test_a_second_challenge_ends_the_leg_unless_only_the_nonce_was_stale(
    quick: SipChannel, journal: MemoryJournal, again: str, tries: int
) -> None:
    async with sip_peer() as peer:
        leg = quick.dial(a_target(peer.port, credentials=ALICE), journal)
        for attempt in range(tries):
            invite = await peer.hear("INVITE")
            assert len(invite.all("Proxy-Authorization")) == min(attempt, 1)
            peer.reply(invite, a_challenge(407, f"n{attempt}", again if attempt else ""))
            await peer.hear("ACK")
        ended = await end_of(leg)
        assert (ended.by, ended.code) == (EndedBy.REMOTE, 407)
        assert [record.cseq for record in journal.planned] == list(range(1, tries + 1))
        assert len({record.branch for record in journal.planned}) == tries
        assert await peer.silence(0.1) == []


async def test_sha_256_is_answered(quick: SipChannel, journal: MemoryJournal) -> None:
    async with sip_peer() as peer:
        leg = quick.dial(a_target(peer.port, credentials=ALICE), journal)
        invite = await peer.hear("INVITE")
        unknown = "WWW-Authenticate: Digest realm=r, nonce=n, algorithm=NEW"
        wanted = 'WWW-Authenticate: Digest REALM="r", Nonce="n", algorithm=SHA-256, qop="auth"'
        peer.reply(invite, Reply(401, headers=(unknown, wanted)))
        await peer.hear("ACK")
        header = (await peer.hear("INVITE")).header("Authorization")
        assert "algorithm=SHA-256" in header
        assert len(header.partition('response="')[2].partition('"')[0]) == 64
        leg.hangup()


async def test_a_cancel_waits_for_a_provisional(quick: SipChannel, journal: MemoryJournal) -> None:
    async with sip_peer() as peer:
        leg = quick.dial(a_target(peer.port), journal)
        invite = await peer.hear("INVITE")
        leg.hangup()
        assert "CANCEL" not in await peer.silence(0.1)
        peer.reply(invite, Reply(100, "Trying", to_tag=None, contact=False))
        cancel = await peer.hear("CANCEL")
        assert cancel.branch == invite.branch
        peer.reply(cancel, Reply(200, "OK"))
        peer.reply(invite, Reply(487, "Request Terminated"))
        await peer.hear("ACK")
        ended = await end_of(leg)
        assert (ended.by, ended.code) == (EndedBy.LOCAL, 487)


async def test_an_answer_that_crosses_the_cancel_is_acknowledged_and_ended(
    quick: SipChannel, journal: MemoryJournal
) -> None:
    async with sip_peer() as peer:
        leg = quick.dial(a_target(peer.port), journal)
        invite = await peer.hear("INVITE")
        peer.reply(invite, Reply(180, "Ringing"))
        await until(leg, Progress)
        leg.hangup()
        await peer.hear("CANCEL")
        peer.reply(invite, OK)
        await peer.hear("ACK")
        peer.reply(await peer.hear("BYE"), Reply(200, "OK"))
        (ended,) = await rest(leg)
        assert isinstance(ended, Ended)
        assert (ended.by, ended.code) == (EndedBy.LOCAL, 200)
        assert len(journal.confirmed) == 1


async def test_an_invite_that_ignores_its_cancel_is_given_up_and_a_late_answer_ended(
    quick: SipChannel, journal: MemoryJournal
) -> None:
    async with sip_peer() as peer:
        leg = quick.dial(a_target(peer.port), journal)
        invite = await peer.hear("INVITE")
        peer.reply(invite, Reply(180, "Ringing"))
        await until(leg, Progress)
        leg.hangup()
        peer.reply(await peer.hear("CANCEL"), Reply(200, "OK"))
        ended = await end_of(leg, within_s=64 * QUICK_T1_S + 1)
        assert (ended.by, ended.code) == (EndedBy.LOCAL, None)
        peer.reply(invite, OK)
        await peer.hear("ACK")
        peer.reply(await peer.hear("BYE"), Reply(200, "OK"))


async def test_a_hangup_before_the_invite_sends_nothing(
    quick: SipChannel, journal: MemoryJournal
) -> None:
    async with sip_peer() as peer:
        leg = quick.dial(a_target(peer.port), journal)
        leg.hangup()
        ended = await end_of(leg)
        assert (ended.by, ended.code) == (EndedBy.LOCAL, None)
        assert await peer.silence(0.1) == []


async def test_only_one_of_two_answers_is_the_call(
    quick: SipChannel, journal: MemoryJournal
) -> None:
    async with sip_peer() as peer:
        leg = quick.dial(a_target(peer.port), journal)
        invite = await peer.hear("INVITE")
        for tag in ("one", "two"):
            peer.reply(invite, Reply(183, "Ringing", to_tag=tag))
        first = Reply(200, "OK", to_tag="two", headers=(CONTENT,), body=SDP.format(port=9))
        peer.reply(invite, first)
        assert "tag=two" in (await peer.hear("ACK")).header("To")
        await until(leg, Answered)
        peer.reply(invite, Reply(200, "OK", to_tag="one"))
        assert "tag=one" in (await peer.hear("ACK")).header("To")
        bye = await peer.hear("BYE")
        assert "tag=one" in bye.header("To")
        peer.reply(bye, Reply(200, "OK"))
        assert "BYE" not in await peer.silence(0.1)
        leg.hangup()
        last = await peer.hear("BYE")
        assert "tag=two" in last.header("To")
        peer.reply(last, Reply(200, "OK"))
        assert (await end_of(leg)).code == 200


async def test_a_carrier_without_a_socket_ends_the_leg_at_once(
    quick: SipChannel, journal: MemoryJournal
) -> None:
    ended = await end_of(quick.dial(a_target(free_port()), journal), within_s=1)
    assert (ended.by, ended.code) == (EndedBy.ERROR, None)
    assert "cannot be reached" in ended.detail
    assert len(journal.sent("INVITE")) == 1


async def test_the_next_address_is_tried_when_the_first_cannot_have_rung(
    journal: MemoryJournal,
) -> None:
    async def lookup(name: str, kind: str) -> Records:
        assert (name, kind) == ("carrier.test", "A")
        return tuple(DnsRecord(name, "A", 60, a) for a in ("127.0.0.2", "127.0.0.1"))

    channel = SipChannel(settings(QUICK_T1_S), lookup=lookup)
    await channel.start()
    async with sip_peer() as peer:  # It listens at 127.0.0.1 only.
        leg = channel.dial(a_target(peer.port, host="carrier.test"), journal)
        await peer.answer()
        await until(leg, Answered)
        assert [r.sequence for r in journal.planned] == [1, 2]
        assert [r.remote_address for r in journal.planned] == [
            f"127.0.0.2:{peer.port}",
            f"127.0.0.1:{peer.port}",
        ]
        assert len({r.branch for r in journal.planned}) == 2
        await channel.stop(grace_s=0)


async def test_a_silent_first_address_is_never_followed_by_a_second(
    journal: MemoryJournal,
) -> None:
    async def lookup(name: str, _kind: str) -> Records:
        return tuple(DnsRecord(name, "A", 60, a) for a in ("127.0.0.1", "127.0.0.2"))

    channel = SipChannel(settings(QUICK_T1_S), lookup=lookup)
    await channel.start()
    async with sip_peer() as peer:
        ended = await end_of(channel.dial(a_target(peer.port, host="carrier.test"), journal))
        assert ended.by is EndedBy.TIMEOUT
        assert len(journal.planned) == 1
        await channel.stop(grace_s=0)


async def test_an_icmp_error_while_it_rings_changes_nothing(
    quick: SipChannel, journal: MemoryJournal
) -> None:
    async with sip_peer() as peer:
        leg = quick.dial(a_target(peer.port), journal)
        invite = await peer.hear("INVITE")
        peer.reply(invite, Reply(180, "Ringing"))
        await until(leg, Progress)
        quick._on_undelivered(invite.raw, "Connection refused")
        peer.reply(invite, OK)
        await until(leg, Answered)
        peer.request("BYE", invite)
        ended = await end_of(leg)
        assert (ended.by, ended.detail) == (EndedBy.REMOTE, "")


async def test_ipv6_addresses_are_written_in_brackets(journal: MemoryJournal) -> None:
    channel = SipChannel(settings(QUICK_T1_S, "[::1]:0"))
    await channel.start()
    async with sip_peer("::1") as peer:
        leg = channel.dial(a_target(peer.port, host="::1"), journal)
        invite = await peer.hear("INVITE")
        assert invite.header("Contact") == f"<sip:mesh@{channel.address}>"
        assert channel.address.startswith("[::1]:")
        assert "sip:+15550111@[::1]>" in invite.header("From")
        assert "c=IN IP6 ::1" in invite.body
        peer.reply(invite, Reply(480))
        assert (await end_of(leg)).code == 480
        assert journal.planned[0].remote_address == f"[::1]:{peer.port}"
        await channel.stop(grace_s=0)


async def test_private_addresses_are_refused_outside_the_lab(journal: MemoryJournal) -> None:
    channel = SipChannel(SipSettings(listen="127.0.0.1:0"))
    await channel.start()
    for host in ("127.0.0.1", "10.1.2.3", "localhost", "169.254.169.254", "0.0.0.0"):
        ended = await end_of(channel.dial(a_target(5060, host=host), journal))
        assert ended.by is EndedBy.ERROR
        assert "refused" in ended.detail
    assert journal.planned == []
    await channel.stop(grace_s=0)


@pytest.mark.parametrize(
    "changes",
    [
        {"headers": (("X-A", "1\r\nVia: evil"),)},
        {"headers": (("X-A: 1\r\nX-B", "1"),)},
        {"headers": (("Call-ID", "mine"),)},
        {"headers": (("t", "sip:x@y"),)},
        {"request_uri": "sip:a@b> SIP/2.0\r\nX: y"},
        {"request_uri": "sip:a b@c"},
        {"request_uri": "http://a"},
        {"from_display": "a\0b"},
        {"from_uri": "sip:a>;tag=evil<@b"},
        {"codecs": ("PCMU\r\na=x",)},
        {"codecs": tuple(f"c{n}" for n in range(40))},
        {"headers": tuple((f"X-{n}", "v" * 4000) for n in range(20))},
    ],
)
async def test_nothing_smuggled_reaches_the_wire(
    quick: SipChannel, journal: MemoryJournal, changes: dict[str, object]
) -> None:
    async with sip_peer() as peer:
        ended = await end_of(quick.dial(a_target(peer.port, **changes), journal))
        assert ended.by is EndedBy.ERROR
        assert ended.detail
        assert await peer.silence(0.02) == []


async def test_one_leg_more_than_allowed_ends_at_once(journal: MemoryJournal) -> None:
    channel = SipChannel(SipSettings(listen="127.0.0.1:0", allow_private=True, legs_max=1))
    await channel.start()
    async with sip_peer() as peer:
        channel.dial(a_target(peer.port), journal)
        ended = await end_of(channel.dial(a_target(peer.port), journal))
        assert (ended.by, ended.detail) == (EndedBy.ERROR, "There are 1 calls already.")
        await channel.stop(grace_s=0)


async def test_a_leg_without_a_free_rtp_port_ends_and_says_so() -> None:
    port = next(port for port in iter(free_port, None) if port % 2 == 0)
    only = replace(settings(QUICK_T1_S), rtp_ports=(port, port + 1))
    channel = SipChannel(only)
    await channel.start()
    async with sip_peer() as peer:
        first = channel.dial(a_target(peer.port), MemoryJournal())
        await peer.hear("INVITE")
        journal = MemoryJournal()
        ended = await end_of(channel.dial(a_target(peer.port), journal))
        assert ended.by is EndedBy.ERROR
        assert "every RTP port is taken" in ended.detail
        assert journal.planned == []
        first.hangup()
        await end_of(first)
        again = channel.dial(a_target(peer.port), MemoryJournal())
        await peer.hear("INVITE")
        again.hangup()
    await channel.stop(grace_s=0)


async def test_a_row_that_is_committed_too_late_is_no_reason_to_dial(
    quick: SipChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("call_manager.sip.runner.JOURNAL_S", 0.05)
    journal = SlowJournal()
    async with sip_peer() as peer:
        ended = await end_of(quick.dial(a_target(peer.port), journal))
        assert "could not be recorded" in ended.detail
        await asyncio.wait_for(journal.committed.wait(), 1)
        assert len(journal.planned) == 1
        assert await peer.silence(0.2) == []


async def test_stopping_hangs_up_ringing_and_answered_legs(journal: MemoryJournal) -> None:
    channel = SipChannel(settings(QUICK_T1_S))
    await channel.start()
    async with sip_peer() as ringing, sip_peer() as talking:
        one = channel.dial(a_target(ringing.port), journal)
        two = channel.dial(a_target(talking.port), journal)
        await talking.answer()
        invite = await ringing.hear("INVITE")
        ringing.reply(invite, Reply(180, "Ringing"))
        await until(one, Progress)
        stopping = asyncio.create_task(channel.stop(grace_s=3))
        ringing.reply(await ringing.hear("CANCEL"), Reply(200, "OK"))
        ringing.reply(invite, Reply(487, "Request Terminated"))
        talking.reply(await talking.hear("BYE"), Reply(200, "OK"))
        await asyncio.wait_for(stopping, 1)
        assert (await end_of(one)).code == 487
        assert (await end_of(two)).by is EndedBy.LOCAL
        with pytest.raises(RuntimeError):
            channel.dial(a_target(ringing.port), journal)


async def test_nothing_of_a_leg_is_left_after_its_last_timer(
    quick: SipChannel, journal: MemoryJournal
) -> None:
    async with sip_peer() as peer:
        before = len(asyncio.all_tasks())
        legs = [quick.dial(a_target(peer.port), journal) for _ in range(5)]
        for _ in legs:
            await peer.answer()
        for leg in legs:
            leg.hangup()
            peer.reply(await peer.hear("BYE"), Reply(200, "OK"))
            await end_of(leg)
        assert quick.live_legs == 0
        await asyncio.sleep(64 * QUICK_T1_S + 0.3)
        assert len(asyncio.all_tasks()) == before


async def test_strangers_are_answered_and_forgotten(quick: SipChannel) -> None:
    async with sip_peer() as peer:
        host, _, port = quick.address.rpartition(":")
        for method, code in [("OPTIONS", "200"), ("INVITE", "405"), ("BYE", "481")]:
            peer.send(
                f"{method} sip:{quick.address} SIP/2.0\r\n"
                f"Via: SIP/2.0/UDP 127.0.0.1:{peer.port};branch=z9hG4bK{method}\r\n"
                f"From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: s\r\nCSeq: 1 {method}\r\n\r\n",
                (host, int(port)),
            )
            answer = await peer.hear(code)
            assert "tag=" in answer.header("To")
            assert "OPTIONS" in answer.header("Allow")
        assert quick.live_legs == 0


@pytest.mark.parametrize(
    "via", ["127.0.0.1:99999;rport", "127.0.0.1:99999", "127.0.0.1:-1", "[::1]:0"]
)
async def test_a_stranger_who_gives_no_real_port_harms_nobody(quick: SipChannel, via: str) -> None:
    failures: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    async with sip_peer() as peer:
        host, _, port = quick.address.rpartition(":")
        for place in (via, f"127.0.0.1:{peer.port}"):
            peer.send(
                f"OPTIONS sip:{quick.address} SIP/2.0\r\nVia: SIP/2.0/UDP {place};branch=z9hG4bK1"
                "\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: s\r\nCSeq: 1 OPTIONS"
                "\r\n\r\n",
                (host, int(port)),
            )
        await peer.hear("200")
        assert failures == []


async def test_a_datagram_made_to_be_slow_to_read_stops_nothing(quick: SipChannel) -> None:
    async with sip_peer() as peer:
        host, _, port = quick.address.rpartition(":")
        peer.send(b"i:" + b" " * 60_000 + b"\rx", (host, int(port)))
        leg = quick.dial(a_target(peer.port), MemoryJournal())
        await peer.hear("INVITE", within_s=1)
        leg.hangup()


async def test_a_ringing_leg_reports_each_provisional_in_order(
    quick: SipChannel, journal: MemoryJournal
) -> None:
    async with sip_peer() as peer:
        leg = quick.dial(a_target(peer.port), journal)
        invite = await peer.hear("INVITE")
        for code in (100, 181, 182, 183, 180):
            peer.reply(invite, Reply(code, f"P{code}"))
        peer.reply(invite, Reply(480, "Temporarily Unavailable"))
        *progress, ended = await rest(leg)
        codes = [event.code for event in progress if isinstance(event, Progress)]
        assert codes == [181, 182, 183, 180]
        assert isinstance(ended, Ended)
        assert ended.code == 480


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
