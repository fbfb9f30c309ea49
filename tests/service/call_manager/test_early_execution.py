"""A flow that begins while the phone rings, at a phone that the test scripts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.service.call_manager.exchange import Exchange, ended
from tests.support import spectrum
from tests.support.rtp_peer import rtp_peer
from tests.support.sip_peer import CONTENT, SDP, Reply, sip_peer


@pytest.fixture
async def exchange(tmp_path: Path, fresh_postgres: str | None) -> AsyncIterator[Exchange]:
    async with Exchange(tmp_path, fresh_postgres).neighbours() as exchange, exchange.serving():
        yield exchange


async def test_a_flow_is_heard_in_early_media_and_cancels_the_call_when_it_is_over(
    exchange: Exchange,
) -> None:
    flow_id = await exchange.flow(("beep", {}), ("sleep", {"duration": 100}))
    async with sip_peer() as phone, rtp_peer() as voice:
        carrier = await exchange.carrier(f"127.0.0.1:{phone.port}")
        call_id = await exchange.dial(carrier, flow_id=flow_id, early_execution=True)
        invite = await phone.hear("INVITE")
        body = SDP.format(port=voice.port)
        phone.reply(invite, Reply(183, "Session Progress", headers=(CONTENT,), body=body))
        cancel = await phone.hear("CANCEL")
        phone.reply(cancel, Reply(200, "OK", contact=False))
        phone.reply(invite, Reply(487, "Request Terminated", contact=False))
        call = await exchange.until(call_id, "hangup")
        played = spectrum.of_ulaw(b"".join(packet[12:] for packet, _ in voice.audio))
    assert ended(call) == ("local", "cancel", 487)
    assert call.hangup_detail == "The flow was over before the call was answered."
    assert call.early_execution
    beep = spectrum.loud(played)
    assert len(beep) == pytest.approx(4000, abs=400)
    assert spectrum.purity(beep, 1000.0) > 0.95


async def test_a_flow_that_began_early_goes_on_after_the_answer(exchange: Exchange) -> None:
    flow_id = await exchange.flow(("answer", {}), ("sleep", {"duration": 100}))
    async with sip_peer() as phone:
        carrier = await exchange.carrier(f"127.0.0.1:{phone.port}")
        call_id = await exchange.dial(carrier, flow_id=flow_id, early_execution=True)
        invite = await phone.hear("INVITE")
        phone.reply(invite, Reply(180, "Ringing"))
        await exchange.until(call_id, "ringing")
        phone.reply(invite, Reply(200, headers=(CONTENT,), body=SDP.format(port=9)))
        await phone.hear("ACK")
        bye = await phone.hear("BYE")
        phone.reply(bye, Reply(200, "OK", contact=False))
        call = await exchange.until(call_id, "hangup")
    assert ended(call) == ("local", "normal", 200)
