"""Why a call ended, row by row of the table: each is shown by a call that ends so."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from pathlib import Path
from typing import Final

import pytest
from voipbin.call.v1 import call_pb2

from call_manager.explanation.explain import RULES
from tests.service.call_manager.exchange import Exchange
from tests.service.call_manager.explained_calls import (
    LONGEST_S,
    RIGHT,
    TALK_MS,
    Case,
    Explained,
    PublicSettings,
    delete,
    place_all,
    simulated_carrier,
)
from tests.support.tshark import found_in

pytestmark = pytest.mark.one_engine("sqlite")

PCAP_HEADER_BYTES: Final = 24
WRONG: Final = RIGHT | {"sip_password": "other"}

CASES: Final = [
    Case("REFUSED_BEFORE_DIALLING"),
    Case("NAME_NOT_RESOLVED", provider={"hostname": "carrier.invalid"}),
    Case("TLS_FAILED", tls="untrusted"),
    Case("UNREACHABLE", provider={"hostname": "127.0.0.1:1"}, shows="INVITE"),
    Case("SILENCE", "0104", shows="INVITE"),
    Case("SILENCE_THEN_CANCELLED", "0104", hang_up_after_s=0.5, shows="INVITE"),
    Case("RANG_UNANSWERED", "0103", shows="CANCEL"),
    Case("NEVER_RANG", "8801", shows="CANCEL"),
    Case("CANCELLED", "0103", hang_up_after_s=0.5, shows="CANCEL"),
    Case("CODEC_NOT_ENCODABLE", "4112", {"codecs": "PCMU,G729"}, shows="200 INVITE"),
    Case("ANSWER_WITHOUT_AUDIO", "4100", shows="200 INVITE"),
    Case("ANSWER_WITHOUT_AUDIO", "4101", shows="200 INVITE", name="broken SDP"),
    Case("ANSWER_WITHOUT_AUDIO", "4113", shows="200 INVITE", name="never offered"),
    Case("ANSWER_WITHOUT_AUDIO", "4102", shows="200 INVITE", name="refused stream"),
    Case("NO_AUDIO", "5003", talk_ms=TALK_MS, shows="200 INVITE"),
    Case("NO_AUDIO_RECEIVED", "5001", talk_ms=TALK_MS, shows="INVITE"),
    Case("NO_AUDIO_ARRIVED", "5002", talk_ms=TALK_MS, shows="200 INVITE"),
    Case("AUDIO_STOPPED", "5005", talk_ms=TALK_MS),
    Case("AUDIO_LOSSY", "5006", talk_ms=TALK_MS),
    Case("SESSION_EXPIRED", "8802", talk_ms=TALK_MS, shows="BYE"),
    Case("CARRIER_VANISHED", "6219", shows="BYE"),
    Case("LONGEST_DURATION", talk_ms=60_000, shows="BYE"),
    Case("CARRIER_ENDED_ODDLY", "6041", talk_ms=TALK_MS, shows="BYE"),
    Case("ANSWERED_BRIEFLY", "0121", talk_ms=TALK_MS, shows="BYE"),
    Case("ANSWERED_AFTER_FAILOVER", routed=True, shows="200 INVITE"),
    Case("ANSWERED_THEY_HUNG_UP", "0122", talk_ms=TALK_MS, shows="BYE"),
    Case("ANSWERED_WE_HUNG_UP", shows="BYE"),
    Case("ANSWERED_WE_HUNG_UP", tls="trusted", shows="BYE", name="over TLS"),
    Case("CREDENTIALS_MISSING", "7001", shows="401 INVITE"),
    Case("CREDENTIALS_REJECTED", "7017", RIGHT, shows="407 INVITE"),
    Case("CREDENTIALS_REJECTED", "7001", WRONG, shows="403 INVITE", name="wrong password"),
    Case("REDIRECTED", "0302", shows="302 INVITE"),
    Case("CONGESTED", "1034", shows="503 INVITE"),
    *(
        Case(rule, f"0{code}", shows=f"{code} INVITE", name=f"{rule} {code}")
        for rule, codes in {
            "BUSY": (486, 600),
            "DECLINED": (603,),
            "UNWANTED": (607, 608),
            "UNAVAILABLE": (480,),
            "NUMBER_UNKNOWN": (404, 604),
            "NUMBER_GONE": (410,),
            "NUMBER_INCOMPLETE": (484, 485, 416, 414),
            "PAYMENT_REQUIRED": (402,),
            "FORBIDDEN": (403,),
            "CODECS_REFUSED": (415, 488, 606),
            "EXTENSION_REFUSED": (420, 421),
            "SESSION_INTERVAL_REFUSED": (422,),
            "METHOD_REFUSED": (405, 501),
            "MESSAGE_TOO_LARGE": (413, 513),
            "LOOP": (482, 483),
            "ENDED_BY_CARRIER": (487,),
            "CARRIER_TIMEOUT": (408, 504),
            "CARRIER_UNAVAILABLE": (503,),
            "CARRIER_FAULT": (500, 502),
            "REFUSED_BY_CALLEE": (699,),
            "REFUSED_BY_CARRIER": (499, 599),
        }.items()
        for code in codes
    ),
]

ELSEWHERE: Final = {
    "RECOVERED_NOT_DIALLED",
    "ENDED_BEFORE_DIALLING",
    "COMPLETED_ELSEWHERE",
    "NOT_PLACED",
    "ADDRESS_FORBIDDEN",
    "RECOVERED_AFTER_RESTART",
    "SERVICE_STOPPED",
}
"""Shown by the last tests, which stop and kill call_manager, and by those of groupcalls."""

UNSEEN: Final = {"ENDED_OTHERWISE"}
"""Only a defect of ours leads there."""


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Explained]:
    """The ends of all cases, placed together once."""
    return asyncio.run(place_all(tmp_path_factory.mktemp("explained"), CASES))


def test_each_row_has_a_call() -> None:
    shown = {case.rule for case in CASES} | ELSEWHERE | UNSEEN
    assert [rule.name for rule in RULES if rule.name not in shown] == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name or case.rule)
def test_a_call_is_explained_by_its_row(case: Case, ends: dict[str, Explained]) -> None:
    call, analysis = ends[case.name or case.rule].call, ends[case.name or case.rule].analysis
    told = call.explanation
    assert told.rule == case.rule, f"{told.sentence} / {call.hangup_detail}"
    assert told.sentence.endswith(".")
    assert "{" not in told.sentence
    assert ".." not in told.sentence
    if not case.shows:
        assert not told.HasField("message_index")
        return
    assert analysis is not None
    assert analysis.explanation == told, "the call and its analysis say the same"
    shown = analysis.sip_messages[told.message_index]
    assert shown.method == case.shows
    assert told.attempt_id == call.attempts[-1].id
    assert shown.sip_call_id == call.attempts[-1].sip_call_id


def test_what_shows_the_end_answers_the_last_invite(ends: dict[str, Explained]) -> None:
    end = ends["CREDENTIALS_REJECTED"]
    assert end.analysis is not None
    messages = end.analysis.sip_messages
    last = [message for message in messages if message.method == "INVITE"][-1]
    shown = messages[end.call.explanation.message_index]
    assert _cseq(shown.raw) == _cseq(last.raw), "the first challenge looks the same"


def _cseq(message: bytes) -> bytes:
    return next(line for line in message.splitlines() if line.startswith(b"CSeq:"))


def test_tshark_counts_the_same_messages_in_every_pcap(ends: dict[str, Explained]) -> None:
    traced = [end for end in ends.values() if end.analysis is not None]
    shown = [one for end in traced if end.analysis for one in end.analysis.sip_messages]
    assert not any(end.analysis.truncated for end in traced if end.analysis)
    files = traced[0].pcap + b"".join(end.pcap[PCAP_HEADER_BYTES:] for end in traced[1:])
    ports = {port for one in shown for port in (one.src_port, one.dst_port)}
    assert found_in(files, ports) == Counter(one.sip_call_id for one in shown)


def test_why_a_carrier_was_not_reached_is_said_once(ends: dict[str, Explained]) -> None:
    sentence = ends["UNREACHABLE"].call.explanation.sentence
    assert sentence == (
        "The carrier at 127.0.0.1:1 could not be reached over UDP: Connection refused."
    )


def test_an_answer_that_nobody_could_talk_by_is_a_failure(ends: dict[str, Explained]) -> None:
    for name in ("CODEC_NOT_ENCODABLE", "ANSWER_WITHOUT_AUDIO", "refused stream"):
        assert ends[name].call.hangup_reason == call_pb2.HANGUP_REASON_FAILED
    assert ends["CODEC_NOT_ENCODABLE"].call.attempts[-1].codec == "G729"
    assert ends["never offered"].call.attempts[-1].codec == "G722"


def test_the_longest_duration_is_the_one_that_was_set(ends: dict[str, Explained]) -> None:
    assert f"after {LONGEST_S:.0f} s" in ends["LONGEST_DURATION"].call.explanation.sentence


def test_an_analysis_has_the_attempts_and_the_audio(ends: dict[str, Explained]) -> None:
    lossy = ends["AUDIO_LOSSY"]
    assert lossy.analysis is not None
    assert list(lossy.analysis.attempts) == list(lossy.call.attempts)
    stats = lossy.analysis.rtcp_stats
    assert stats.rtp_packets > 300
    assert 3 <= stats.packet_loss_pct <= 25
    assert 1 <= stats.mos <= 4.5
    assert not lossy.analysis.truncated
    refused = ends["BUSY 486"]
    assert refused.analysis is not None
    assert not refused.analysis.HasField("rtcp_stats")


def test_an_attempt_over_tls_names_whom_it_spoke_to(ends: dict[str, Explained]) -> None:
    (attempt,) = ends["over TLS"].call.attempts
    assert attempt.transport == "tls"
    assert attempt.tls.version == "TLSv1.3"
    assert len(attempt.tls.fingerprint) == 64
    assert ends["over TLS"].analysis is not None
    assert {m.transport for m in ends["over TLS"].analysis.sip_messages} == {"tls"}


async def test_calls_that_our_side_keeps_from_the_wire(tmp_path: Path) -> None:
    async with Exchange(tmp_path).neighbours() as exchange, simulated_carrier() as simulator:
        host, port = simulator.address
        rings = await exchange.carrier(f"{host}:{port}", tech_postfix="03")
        gone = await exchange.carrier(f"{host}:{port}")
        async with exchange.serving(legs_max=1):
            stopped = await exchange.dial(rings)
            await exchange.until(stopped, "ringing")
            late = await exchange.dial(gone, within_s=0.3)
            ended_first, unplaced = await exchange.dial(gone), await exchange.dial(gone)
            await exchange.hangup(ended_first)
            await exchange.until(late, "hangup")
            await delete(exchange, gone)
        async with exchange.serving(PublicSettings):
            forbidden = await exchange.dial(rings)
            await exchange.until(forbidden, "hangup")
            await exchange.until(unplaced, "hangup")
            rules = {
                call_id: (await exchange.get(call_id)).explanation.rule
                for call_id in (stopped, late, ended_first, unplaced, forbidden)
            }
        assert rules == {
            stopped: "SERVICE_STOPPED",
            late: "RECOVERED_NOT_DIALLED",
            ended_first: "ENDED_BEFORE_DIALLING",
            unplaced: "NOT_PLACED",
            forbidden: "ADDRESS_FORBIDDEN",
        }


async def test_a_call_that_a_kill_left_behind(tmp_path: Path) -> None:
    async with Exchange(tmp_path).neighbours() as exchange, simulated_carrier() as simulator:
        host, port = simulator.address
        rings = await exchange.carrier(f"{host}:{port}", tech_postfix="03")
        async with exchange.process() as process:
            call_id = await exchange.dial(rings)
            await exchange.until(call_id, "ringing")
            process.send_signal(signal.SIGKILL)
            await process.wait()
        async with exchange.serving():
            told = (await exchange.until(call_id, "hangup")).explanation
    assert told.rule == "RECOVERED_AFTER_RESTART"
