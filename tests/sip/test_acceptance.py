"""What the SIP side has to be able to do, line by line, against peers that we did not write.

`LINES` says which test shows which line; those that no other file has are here. Real sipp is the
carrier wherever it can do what the line asks, a scripted socket elsewhere. All tests of this folder
leave their traces to tshark, which must find every message in them.
"""

from __future__ import annotations

import ast
import asyncio
import random
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Final

import pytest

from call_manager.channel import Answered, Ended, EndedBy
from call_manager.sip.channel import SipChannel
from tests.support.journal import MemoryJournal
from tests.support.relay import Loses, relay
from tests.support.sip_calls import QUICK_T1_S, a_target, end_of, rest, settings, until
from tests.support.sip_peer import Reply, sip_peer
from tests.support.sipp import Sipp, free_udp_port

HERE: Final = Path(__file__).parent
T1_S: Final = 0.1
"""Short, since a relay loses what real timers would repeat seconds later."""

SIPP: Final = "test_against_sipp.py::"
RULES: Final = "test_rules.py::"
LOSSES: Final = "test_losses.py::"
ACCEPTANCE: Final = "test_acceptance.py::"

LINES: Final[Mapping[str, tuple[str, ...]]] = {
    "answered": (SIPP + "test_an_answered_call_is_ended_by_our_bye",),
    "401": (SIPP + "test_a_challenge_is_answered_once_after_its_ack",),
    "407 with qop": (SIPP + "test_a_challenge_is_answered_once_after_its_ack",),
    "header kept on the authenticated retry": (
        SIPP + "test_a_challenge_is_answered_once_after_its_ack",
    ),
    "INVITE#2 only after the ACK": (SIPP + "test_a_challenge_is_answered_once_after_its_ack",),
    "486": (SIPP + "test_a_refusal_is_acknowledged_with_the_invites_own_branch",),
    "503": (SIPP + "test_a_refusal_is_acknowledged_with_the_invites_own_branch",),
    "603": (SIPP + "test_a_refusal_is_acknowledged_with_the_invites_own_branch",),
    "302 (not followed)": (SIPP + "test_a_redirection_is_not_followed",),
    "180 and 183 with SDP": (SIPP + "test_early_media_is_progress_and_not_an_answer",),
    "no answer → CANCEL → 487 → ACK": (SIPP + "test_a_call_nobody_answers_is_cancelled",),
    "200 that crosses the CANCEL → ACK + BYE": (
        RULES + "test_an_answer_that_crosses_the_cancel_is_acknowledged_and_ended",
    ),
    "first INVITE lost": (
        ACCEPTANCE + "test_a_first_message_that_is_lost_is_made_good",
        LOSSES + "test_a_lost_invite_is_sent_again",
    ),
    "first BYE lost": (
        ACCEPTANCE + "test_a_first_message_that_is_lost_is_made_good",
        LOSSES + "test_a_lost_bye_is_sent_again",
    ),
    "10 % loss both ways": (
        ACCEPTANCE + "test_ten_percent_loss_both_ways_loses_no_call",
        LOSSES + "test_ten_percent_loss_both_ways_ends_every_call_as_answered",
    ),
    "200 repeated (re-ACK even if it differs)": (
        LOSSES + "test_every_repeated_answer_is_acknowledged_even_when_it_differs",
        ACCEPTANCE + "test_a_first_message_that_is_lost_is_made_good",
    ),
    "forked early dialogs, two 200s": (RULES + "test_only_one_of_two_answers_is_the_call",),
    "Record-Route with a different Contact": (
        SIPP + "test_a_recorded_route_is_followed_backwards",
        SIPP + "test_a_strict_router_becomes_the_request_uri",
    ),
    "BYE from the peer": (SIPP + "test_the_carrier_may_hang_up",),
    "BYE challenged": (SIPP + "test_a_challenged_bye_is_authenticated",),
    "in-dialog OPTIONS, re-INVITE, UPDATE": (
        SIPP + "test_requests_within_the_dialog_are_answered",
        "test_dialogue.py::test_requests_within_a_call_get_what_rfc_3261_8_2_owes_them",
    ),
    "Contact: …;transport=UDP": (SIPP + "test_an_answered_call_is_ended_by_our_bye",),
    "compact headers": (SIPP + "test_compact_headers_are_understood",),
    "Latin-1 bytes": (
        LOSSES + "test_foreign_bytes_come_back_unchanged",
        SIPP + "test_an_invite_says_everything_a_carrier_needs",
    ),
    "SDP that is broken or absent in the 200": (
        SIPP + "test_an_answer_without_usable_sdp_is_acknowledged_and_ended_with_its_reason",
        "test_dialogue.py::test_an_answer_that_lets_nothing_be_heard_ends_honestly",
    ),
    "missing To tag": (LOSSES + "test_a_missing_to_tag_is_no_obstacle",),
    "garbage datagrams": (
        LOSSES + "test_garbage_changes_nothing",
        "test_torture.py::test_a_call_survives_every_torture_message_with_its_call_id",
        "test_torture.py::test_a_live_socket_survives_what_is_thrown_at_it",
    ),
    "silence (Timer B)": (
        ACCEPTANCE + "test_silence_ends_within_timer_b",
        LOSSES + "test_invites_double_their_pause_and_stop_at_timer_b",
    ),
    "TCP": (
        "test_transports.py::test_sipp_takes_a_call_over_tcp",
        "test_transports.py::test_a_call_over_tcp_uses_one_connection_and_repeats_nothing",
    ),
    "TLS with a checked certificate": (
        "test_tls.py::test_a_call_over_tls_knows_whom_it_met",
        "test_tls.py::test_a_certificate_that_is_not_the_carriers_ends_the_call_before_it_begins",
    ),
    "SRV failover": ("test_dns.py::test_a_call_walks_the_services_until_one_is_there",),
    "tshark as reader": ("test_read_by_tshark.py::test_tshark_understands_every_message_we_send",),
}


@pytest.mark.parametrize("line", LINES)
def test_every_line_has_its_tests(line: str) -> None:
    for place in LINES[line]:
        file, _, name = place.partition("::")
        tree = ast.parse((HERE / file).read_text())
        functions = (ast.FunctionDef, ast.AsyncFunctionDef)
        names = {node.name for node in tree.body if isinstance(node, functions)}
        assert name in names, f"{line}: {place} is not there any more"


def first(start: bytes) -> Loses:
    """Lose the first datagram that begins so, and nothing else."""
    lost: list[bytes] = []

    def loses(data: bytes, _outwards: bool) -> bool:
        if lost or not data.startswith(start):
            return False
        lost.append(data)
        return True

    return loses


@pytest.fixture
async def patient() -> AsyncIterator[SipChannel]:
    """A channel whose T1 a relay's losses may cost."""
    channel = SipChannel(settings(T1_S))
    await channel.start()
    yield channel
    await channel.stop(grace_s=0.2)


@pytest.mark.parametrize("start", [b"INVITE", b"SIP/2.0 200", b"ACK", b"BYE"])
async def test_a_first_message_that_is_lost_is_made_good(
    patient: SipChannel, journal: MemoryJournal, start: bytes
) -> None:
    """Of ours or the carrier's, whichever is lost, the call ends as if nothing had been."""
    async with (
        Sipp("answers.xml", free_udp_port()) as sipp,
        relay(sipp.port, first(start)) as network,
    ):
        leg = patient.dial(a_target(network.port), journal)
        await until(leg, Answered)
        leg.hangup()
        ended = await end_of(leg)
        assert (ended.by, ended.code, ended.detail) == (EndedBy.LOCAL, 200, "")
        if start != b"ACK":  # sipp takes the BYE for it, and does not wait for another.
            assert await sipp.exit_status() == 0, sipp.errors()
        assert len(network.lost) == 1
    assert len(journal.planned) == len(journal.confirmed) == 1


async def test_ten_percent_loss_both_ways_loses_no_call(
    patient: SipChannel, journal: MemoryJournal
) -> None:
    dice = random.Random(3261)
    calls = 40
    ended_there: set[bytes] = set()

    def loses(data: bytes, outwards: bool) -> bool:
        lost = dice.random() < 0.1
        call_id = re.search(rb"(?m)^Call-ID: (.+)\r$", data)
        if outwards and not lost and data.startswith(b"BYE") and call_id is not None:
            ended_there.add(call_id[1])
        return lost

    async def one(port: int) -> Ended:
        leg = patient.dial(a_target(port), journal)
        await until(leg, Answered)
        leg.hangup()
        return await end_of(leg)

    # A machine under load makes sipp take a repeated INVITE for a mistake; it shall go on.
    options = ("-default_behaviors", "all,-abortunexp")
    async with (
        Sipp("answers_patiently.xml", free_udp_port(), calls=calls, options=options) as sipp,
        relay(sipp.port, loses) as network,
    ):
        ends = await asyncio.gather(*(one(network.port) for _ in range(calls)))
        total = network.passed + len(network.lost)
        assert 0.02 < len(network.lost) / total < 0.25
    assert {(ended.by, ended.code) for ended in ends} == {(EndedBy.LOCAL, 200)}
    # sipp does not repeat each of its answers to a repeated BYE; a lost one then stays lost.
    assert sum(ended.detail == "" for ended in ends) > calls / 2
    assert len(ended_there) == calls, "each BYE arrived, however often it was lost"
    assert len(journal.planned) == calls


async def test_silence_ends_within_timer_b(quick: SipChannel, journal: MemoryJournal) -> None:
    async with sip_peer() as peer:
        started = asyncio.get_running_loop().time()
        (ended,) = await rest(quick.dial(a_target(peer.port), journal))
        elapsed_s = asyncio.get_running_loop().time() - started
        assert isinstance(ended, Ended)
        assert (ended.by, ended.code, ended.reached) == (EndedBy.TIMEOUT, None, True)
        assert 64 * QUICK_T1_S <= elapsed_s < 64 * QUICK_T1_S + 1
        outcome = journal.outcomes[-1]
        assert (outcome.code, outcome.detail) == (None, ended.detail)
        assert outcome.first_response_at is None


@pytest.mark.parametrize(
    ("answers", "by", "code"),
    [
        ([Reply(180), Reply(486)], EndedBy.REMOTE, 486),
        ([Reply(404)], EndedBy.REMOTE, 404),
        ([Reply(100, to_tag=None), Reply(183), Reply(603)], EndedBy.REMOTE, 603),
        ([Reply(302, headers=("Contact: <sip:x@127.0.0.1:9>",))], EndedBy.REMOTE, 302),
        ([Reply(699)], EndedBy.REMOTE, 699),
    ],
)
async def test_every_final_answer_is_the_end_at_once(
    quick: SipChannel, journal: MemoryJournal, answers: list[Reply], by: EndedBy, code: int
) -> None:
    async with sip_peer() as peer:
        leg = quick.dial(a_target(peer.port), journal)
        invite = await peer.hear("INVITE")
        for answer in answers:
            peer.reply(invite, answer)
        ended = await end_of(leg, within_s=1)
        assert (ended.by, ended.code) == (by, code)
        assert (await peer.hear("ACK")).branch == invite.branch
        assert peer.count("INVITE") == 1
