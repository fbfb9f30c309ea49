"""What the last four digits do, seen by a caller that writes its own SIP."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from itertools import pairwise
from pathlib import Path

import pytest

from call_manager.media.g711 import encode
from call_manager.simulator.endpoint import Simulator
from tests.service.simulator.conftest import (
    Caller,
    Dialled,
    Events,
    Heard,
    Phone,
    Started,
    facts,
)
from tests.service.simulator.test_protocol import authorization
from tests.support import spectrum

DTMF = "a=rtpmap:101 telephone-event/8000\r\n"
Answered = Callable[..., Awaitable[tuple[Dialled, Heard]]]


@pytest.fixture
async def hasty(start_carrier: Started, tmp_path: Path) -> Simulator:
    """A carrier whose timers are a tenth of the RFC's, and that keeps what it hears."""
    return await start_carrier(t1_s=0.05, heard_dir=tmp_path)


@pytest.fixture
def dial(hasty: Simulator, caller: Caller) -> Callable[[str], Dialled]:
    return lambda digits: Dialled(caller, hasty.address, f"+1202555{digits}")


@pytest.fixture
def answered(dial: Callable[[str], Dialled], caller: Caller, phone: Phone) -> Answered:
    """Place a call, hear it answered, acknowledge."""

    async def place(digits: str, *headers: str) -> tuple[Dialled, Heard]:
        call = dial(digits)
        call.rtp_port = phone.port
        body = call.sdp().replace("AVP 8 0", "AVP 8 0 101") + DTMF
        call.invite(*headers, body=body)
        answer = await caller.hear_statuses(100, 180, 200)
        call.ack(answer)
        return call, answer

    return place


@pytest.mark.parametrize("code", [300, 302, 403, 480, 486, 487, 488, 503, 600, 606, 699])
async def test_0nnn_is_refused_with_that_code(
    dial: Callable[[str], Dialled], caller: Caller, code: int
) -> None:
    call = dial(f"0{code}")
    call.invite()
    refusal = await caller.hear_statuses(100, code)
    assert ("Contact: " in refusal.text) is (code < 400)
    call.ack(refusal)


@pytest.mark.parametrize(("cause", "code"), [(1, 404), (17, 486), (34, 503), (99, 500)])
async def test_1nnn_names_the_cause_that_it_is_refused_for(
    dial: Callable[[str], Dialled], caller: Caller, cause: int, code: int
) -> None:
    call = dial(f"1{cause:03}")
    call.invite()
    refusal = await caller.hear_statuses(100, code)
    assert refusal.header("Reason").startswith(f"Q.850;cause={cause}")
    call.ack(refusal)


async def test_3nnn_sends_early_media_before(
    dial: Callable[[str], Dialled], caller: Caller
) -> None:
    call = dial("3480")
    call.invite()
    assert (await caller.hear_statuses(100, 183)).body
    call.ack(await caller.hear_statuses(480))


async def test_0401_asks_whoever_answers_rightly_again(
    dial: Callable[[str], Dialled], caller: Caller
) -> None:
    call = dial("0401")
    call.invite()
    challenged = await caller.hear_statuses(100, 401)
    call.ack(challenged)
    call.invite(authorization(call, challenged, "secret", "Authorization"))
    call.ack(await caller.hear_statuses(100, 401))


async def test_4001_rings_two_phones_of_which_the_second_answers(
    dial: Callable[[str], Dialled], caller: Caller
) -> None:
    call = dial("4001")
    call.invite()
    first = await caller.hear_statuses(100, 180)
    second = await caller.hear_statuses(180)
    answer = await caller.hear_statuses(200)
    assert first.to_tag != second.to_tag == answer.to_tag
    call.ack(answer)
    await caller.hears_nothing(0.2)


async def test_4002_answers_twice_and_each_dialog_is_ended_by_itself(
    dial: Callable[[str], Dialled], caller: Caller, events: Events
) -> None:
    call = dial("4002")
    call.invite()
    await caller.hear_statuses(100, 180, 180)
    first, second = await caller.hear_statuses(200), await caller.hear_statuses(200)
    assert first.to_tag != second.to_tag
    call.ack(first)
    # The second is repeated until its own ACK.
    assert (await caller.hear_statuses(200)).to_tag == second.to_tag
    call.ack(second)
    call.bye(second)
    await caller.hear_statuses(200)
    assert "over" not in [name for name, _ in events]
    call.bye(first)
    await caller.hear_statuses(200)
    assert facts(events, "over")["by"] == "caller"


async def test_4003_answers_although_it_was_cancelled(
    dial: Callable[[str], Dialled], caller: Caller
) -> None:
    call = dial("4003")
    call.invite()
    await caller.hear_statuses(100, 180)
    call.cancel()
    assert (await caller.hear_statuses(200)).header("CSeq") == "1 CANCEL"
    answer = await caller.hear_statuses(200)
    assert answer.header("CSeq") == "1 INVITE"
    assert answer.body
    call.ack(answer)
    call.bye(answer)
    await caller.hear_statuses(200)


@pytest.mark.parametrize(("digits", "same"), [("4004", True), ("4005", False)])
async def test_an_acknowledged_answer_comes_again(
    answered: Answered, caller: Caller, digits: str, same: bool
) -> None:
    _, answer = await answered(digits)
    again = await caller.hear_statuses(200)
    assert again.to_tag == answer.to_tag
    assert (again.text == answer.text) is same


async def test_4006_does_not_hear_the_first_two_acks(
    answered: Answered, caller: Caller, events: Events
) -> None:
    call, answer = await answered("4006")
    for _ in "12":
        call.ack(await caller.hear_statuses(200))
    await caller.hears_nothing(0.3)
    assert [name for name, _ in events].count("lost") == 2
    call.bye(answer)
    await caller.hear_statuses(200)


async def test_4008_says_what_it_does_meanwhile(
    dial: Callable[[str], Dialled], caller: Caller
) -> None:
    call = dial("4008")
    call.invite()
    call.ack(await caller.hear_statuses(100, 181, 182, 180, 200))


async def test_4011_hears_the_second_invite(dial: Callable[[str], Dialled], caller: Caller) -> None:
    call = dial("4011")
    text = call.invite()
    await caller.hears_nothing(0.1)
    call.resend(text)
    call.ack(await caller.hear_statuses(100, 180, 200))


async def test_4100_4101_and_4102_answer_without_usable_audio(answered: Answered) -> None:
    assert (await answered("4100"))[1].body == ""
    assert "m=audio zz" in (await answered("4101"))[1].body
    assert "m=audio 0 RTP/AVP 8" in (await answered("4102"))[1].body


@pytest.mark.parametrize(
    ("digits", "line"),
    [
        ("4110", "0 101\r\na=rtpmap:0 PCMU/8000"),
        ("4112", "18 101\r\na=rtpmap:18 G729/8000"),
        ("4115", "96 101\r\na=rtpmap:96 opus/48000/2"),
    ],
)
async def test_411n_picks_a_codec_offered_or_not(
    answered: Answered, digits: str, line: str
) -> None:
    assert f"RTP/AVP {line}\r\n" in (await answered(digits))[1].body


async def test_5001_sends_nothing_and_5002_counts_nothing(
    answered: Answered, caller: Caller, phone: Phone, events: Events
) -> None:
    call, answer = await answered("5001")
    phone.say(answer, b"\xd5" * 160)
    await phone.hears_nothing(0.2)
    call.bye(answer)
    await caller.hear_statuses(200)
    heard = facts(events, "over")
    assert (heard["rtp_sent"], heard["rtp_received"]) == (0, 1)
    events.clear()
    call, answer = await answered("5002")
    phone.say(answer, b"\xd5" * 160)
    assert await phone.hear()
    call.bye(answer)
    await caller.hear_statuses(200)
    assert facts(events, "over")["rtp_received"] == 0


async def test_5004_echoes_what_it_hears(answered: Answered, phone: Phone) -> None:
    _, answer = await answered("5004")
    phone.say(answer, bytes(range(160)))
    assert (await phone.hear())[12:] == bytes(range(160))


async def test_5004_leaves_the_gaps_that_the_caller_s_packets_had(
    answered: Answered, phone: Phone
) -> None:
    _, answer = await answered("5004")
    for timestamp in (8000, 8160, 8480, 8480, 8320):
        phone.say(answer, bytes(range(160)), timestamp=timestamp)
    packets = [await phone.hear() for _ in range(5)]
    stamps = [int.from_bytes(packet[4:8]) for packet in packets]
    assert [(at - stamps[0]) % 2**32 for at in stamps] == [0, 160, 480, 480, 320]
    numbers = [int.from_bytes(packet[2:4]) for packet in packets]
    assert [(n - numbers[0]) % 2**16 for n in numbers] == list(range(5))


async def test_5006_loses_a_tenth_of_what_it_sends(answered: Answered, phone: Phone) -> None:
    await answered("5006")
    sequences = [int.from_bytes((await phone.hear())[2:4]) for _ in range(20)]
    steps = [(after - before) % 65536 for before, after in pairwise(sequences)]
    assert sorted(set(steps)) == [1, 2]
    assert steps.count(2) in {2, 3}


async def test_5010_sends_digits_each_with_three_last_packets(
    answered: Answered, phone: Phone
) -> None:
    await answered("5010")
    pressed: dict[bytes, list[bytes]] = {}
    while len(pressed) < 3:
        packet = await phone.hear()
        if packet[1] & 0x7F == 101:
            pressed.setdefault(packet[4:8], []).append(packet)
    first = next(iter(pressed.values()))
    assert {packet[12] for packet in first} == {1}
    assert [packet[1] >> 7 for packet in first] == [1] + [0] * 9
    assert [packet[13] >> 7 for packet in first] == [0] * 7 + [1] * 3
    assert [int.from_bytes(packet[14:16]) for packet in first[:8]] == [160 * n for n in range(1, 9)]


async def test_5500_to_5599_send_their_own_digits(answered: Answered, phone: Phone) -> None:
    await answered("5512")
    pressed: list[int] = []
    while len(pressed) < 3:
        packet = await phone.hear()
        if packet[1] == 0x80 | 101:
            pressed.append(packet[12])
    assert pressed == [5, 1, 2]


async def test_5011_reports_digits_and_sends_them_back(
    answered: Answered, caller: Caller, phone: Phone, events: Events
) -> None:
    call, answer = await answered("5011")
    for event, timestamp in ((4, 160), (4, 160), (11, 4000)):
        phone.say(answer, bytes([event, 10, 0, 160]), 101, timestamp)
    seen: list[int] = []
    while 11 not in seen:
        packet = await phone.hear()
        if packet[1] & 0x7F == 101:
            seen.append(packet[12])
    assert set(seen) == {4, 11}
    call.bye(answer)
    await caller.hear_statuses(200)
    assert [found["digit"] for name, found in events if name == "digit"] == ["4", "#"]
    assert facts(events, "over")["digits"] == "4#"


async def test_a_tone_that_the_caller_plays_is_told_with_its_frequency(
    answered: Answered, caller: Caller, phone: Phone, events: Events
) -> None:
    call, answer = await answered("0150")
    square = (b"\x55" * 4 + b"\xd5" * 4) * 20  # 1000 Hz
    for _ in range(10):
        phone.say(answer, square)
    phone.say(answer, b"\xd5" * 160)
    call.bye(answer)
    await caller.hear_statuses(200)
    assert facts(events, "tone") == {
        "call": call.call_id, "hz": 1000, "seconds": 0.2, "level": 8,
    }  # fmt: skip
    assert facts(events, "over")["tones"] == [1000]


@pytest.mark.parametrize("payload_type", [8, 0])
async def test_what_the_caller_says_is_kept_as_a_file(
    answered: Answered, caller: Caller, phone: Phone, events: Events, payload_type: int
) -> None:
    codec, number = {8: ("PCMA", "4111"), 0: ("PCMU", "4110")}[payload_type]
    call, answer = await answered(number)
    tone = spectrum.sine(700.0, 1.0)
    for place in range(50):
        if place != 20:  # What is lost is silence.
            part = encode(tone[place * 160 : (place + 1) * 160], codec)
            phone.say(answer, part, payload_type, 5000 + place * 160)
            await asyncio.sleep(0)  # It reads 32 packets at once, and no more.
    call.bye(answer)
    await caller.hear_statuses(200)
    (heard,), rate = spectrum.of_wav(Path(str(facts(events, "over")["wav"])))
    assert (len(heard), rate) == (8000, 8000)
    assert spectrum.rms(heard[20 * 160 : 21 * 160]) < 20
    del heard[20 * 160 : 21 * 160]
    assert spectrum.level(heard[:3200], 700.0) == pytest.approx(8000, rel=0.02)
    assert spectrum.purity(heard[3200:], 700.0) > 0.98
    (told,) = [found for name, found in events if name == "tone"]
    assert told["hz"] == pytest.approx(700, abs=20)
    assert told["level"] == pytest.approx(8000 * 0.637, rel=0.03)


async def test_6200_holds_and_resumes(answered: Answered, caller: Caller, phone: Phone) -> None:
    call, answer = await answered("6200")
    for number, direction in enumerate(("sendonly", "sendrecv"), 1):
        asked = await caller.hear()
        assert asked.first_line.startswith("INVITE ")
        assert f"a={direction}" in asked.body
        assert f" {number + 1} IN IP4 " in asked.body
        mirrored = direction.replace("sendonly", "recvonly")
        call.accept(asked, call.sdp() + f"a={mirrored}\r\n")
        ack = await caller.hear()
        assert ack.header("CSeq") == f"{number} ACK"
        assert await phone.hear()
    call.bye(answer)
    await caller.hear_statuses(200)


async def test_6203_holds_with_an_update(
    answered: Answered, caller: Caller, events: Events
) -> None:
    call, answer = await answered("6203")
    update = await caller.hear()
    assert update.first_line.startswith("UPDATE ")
    assert "a=sendonly" in update.body
    call.accept(update, call.sdp())
    call.bye(answer)
    await caller.hear_statuses(200)
    assert facts(events, "asked")["status"] == 200


async def test_6211_hears_the_third_bye(answered: Answered, caller: Caller) -> None:
    call, answer = await answered("6211")
    call.bye(answer)
    for _ in "12":
        await caller.hears_nothing(0.05)
        call.send("BYE", to=answer.header("To"))
    assert (await caller.hear_statuses(200)).header("CSeq") == "2 BYE"


async def test_7004_wants_a_newer_nonce_once(
    dial: Callable[[str], Dialled], caller: Caller
) -> None:
    call = dial("7004")
    call.invite()
    challenged = await caller.hear_statuses(100, 401)
    call.ack(challenged)
    call.invite(authorization(call, challenged, "secret", "Authorization"))
    again = await caller.hear_statuses(100, 401)
    assert "stale=true" in again.header("WWW-Authenticate")
    call.ack(again)
    call.invite(authorization(call, again, "secret", "Authorization"))
    call.ack(await caller.hear_statuses(100, 180, 200))


async def test_7003_offers_both_algorithms_the_stronger_first(
    dial: Callable[[str], Dialled], caller: Caller
) -> None:
    call = dial("7003")
    call.invite()
    challenged = await caller.hear_statuses(100, 401)
    assert re.findall(r"algorithm=([\w-]+)", challenged.text) == ["SHA-256", "MD5"]
    call.ack(challenged)


async def test_7018_asks_for_credentials_at_the_end_too(
    dial: Callable[[str], Dialled], caller: Caller
) -> None:
    call = dial("7018")
    call.invite()
    challenged = await caller.hear_statuses(100, 407)
    call.ack(challenged)
    call.invite(authorization(call, challenged, "secret", "Proxy-Authorization"))
    answer = await caller.hear_statuses(100, 180, 200)
    call.ack(answer)
    call.bye(answer)
    assert (await caller.hear_statuses(407)).header("CSeq") == "3 BYE"


@pytest.mark.parametrize(
    ("digits", "value"), [("8120", "120;refresher=uac"), ("8001", "90;refresher=uas")]
)
async def test_8nnn_wants_the_session_refreshed(
    answered: Answered, digits: str, value: str
) -> None:
    _, answer = await answered(digits, "Supported: timer")
    assert answer.header("Session-Expires") == value
    assert ("\r\nRequire: timer\r\n" in answer.text) is value.endswith("uac")


async def test_9nnn_refuses_shorter_sessions(
    dial: Callable[[str], Dialled], caller: Caller, answered: Answered
) -> None:
    call = dial("9200")
    call.invite("Supported: timer", "Session-Expires: 199")
    refusal = await caller.hear_statuses(100, 422)
    assert refusal.header("Min-SE") == "200"
    call.ack(refusal)
    _, answer = await answered("9200", "Supported: timer", "Session-Expires: 200")
    assert answer.header("Session-Expires") == "200;refresher=uac"
