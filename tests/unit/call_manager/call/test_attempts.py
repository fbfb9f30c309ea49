"""What people are shown of an attempt, and what the dialer is told of a carrier."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from google.protobuf.json_format import MessageToDict
from voipbin.call.v1 import call_attempt_pb2 as pb
from voipbin.route.v1 import provider_pb2

from call_manager.call import convert
from call_manager.call.attempt import Attempt, tls_of_plain, tls_to_plain
from call_manager.call.attempt_convert import INT32_MAX, attempt_to_proto
from call_manager.call.dialing import NumberFormat
from call_manager.channel import DnsRecord, MediaReport, RtpCount, TlsPeer, Transport
from call_manager.media.judging import Flow

T0 = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
TLS = TlsPeer("TLSv1.3", "TLS_AES_256_GCM_SHA384", "CN=carrier.example", "CN=ca", T0, "ab" * 32)
ATTEMPT_ID = uuid4()


def a_report() -> MediaReport:
    return MediaReport(
        attempt_id=ATTEMPT_ID,
        codec="PCMU",
        payload_type=0,
        local_address="127.0.0.1:20000",
        remote_address="127.0.0.1:30000",
        sent=RtpCount(500, 80_000, T0, T0 + timedelta(seconds=10)),
        received=RtpCount(
            450, 72_000, T0, T0 + timedelta(seconds=10), lost=50, jitter_ms=1.5, gap_max_ms=40.0
        ),
        mos=4.1,
    )


def an_attempt() -> Attempt:
    times = [T0 + timedelta(seconds=number) for number in range(7)]
    return Attempt(
        id=ATTEMPT_ID,
        sequence=3,
        leg=2,
        continued=True,
        provider_id=uuid4(),
        media_flow=Flow.BOTH,
        sip_call_id="abc@mesh",
        request_uri="sip:1@carrier.example",
        remote_address="192.0.2.1:5061",
        transport="tls",
        dns=(DnsRecord("carrier.example", "A", 300, "192.0.2.1"),),
        sip_code=200,
        sip_reason="OK",
        codec="PCMU",
        tm_invite=times[0],
        tm_first_response=times[1],
        tm_trying=times[1],
        tm_early_media=times[2],
        tm_ringing=times[3],
        tm_answered=times[4],
        tm_end=times[6],
        pdd_ms=3000,
        q850_cause=16,
        q850_text="Normal call clearing",
        tls=TLS,
        detail="",
        media=a_report(),
    )


def test_everything_an_attempt_met_is_shown() -> None:
    attempt = an_attempt()
    shown = attempt_to_proto(attempt)
    # `detail` is for what ended without an answer; nothing else may be left unset.
    unset = {field.name for field in pb.CallAttempt.DESCRIPTOR.fields} - {
        field.name for field, _ in shown.ListFields()
    }
    assert unset == {"detail"}
    assert (shown.leg, shown.continued, shown.transport) == (2, True, "tls")
    (record,) = shown.dns
    assert (record.name, record.type, record.ttl, record.value) == (
        "carrier.example",
        "A",
        300,
        "192.0.2.1",
    )
    assert (shown.tls.version, shown.tls.fingerprint) == ("TLSv1.3", "ab" * 32)
    assert shown.tls.not_after.ToDatetime(tzinfo=UTC) == T0
    assert (shown.pdd_ms, shown.q850_cause) == (3000, 16)
    assert shown.tm_early_media.ToDatetime(tzinfo=UTC) == attempt.tm_early_media


def test_what_was_not_met_is_null_and_no_zero() -> None:
    nothing: dict[str, Any] = {
        field.name: None
        for field in fields(Attempt)
        if field.name.startswith("tm_") and field.name != "tm_invite"
    }
    attempt = replace(
        an_attempt(), **nothing, pdd_ms=None, q850_cause=None, tls=None, media=None, dns=()
    )
    shown: Any = attempt_to_proto(attempt)
    for name in (*nothing, "pdd_ms", "q850_cause", "tls", "media"):
        assert not shown.HasField(name), name


def test_audio_is_shown_with_its_loss_and_its_flow() -> None:
    media = attempt_to_proto(an_attempt()).media
    assert (media.codec, media.flow) == ("PCMU", pb.MEDIA_FLOW_BOTH)
    assert (media.received.packets, media.received.lost) == (450, 50)
    assert media.received.loss_pct == pytest.approx(10.0)
    assert media.received.jitter_ms == pytest.approx(1.5)
    assert media.mos == pytest.approx(4.1)
    assert not media.HasField("rtt_ms")


def test_how_our_audio_arrived_is_unknown_without_the_peers_reports() -> None:
    untold: Any = attempt_to_proto(an_attempt()).media.sent
    told = replace(a_report(), arrived=490, sent=replace(a_report().sent, lost=10))
    said: Any = attempt_to_proto(replace(an_attempt(), media=told)).media.sent
    for name in ("lost", "loss_pct", "jitter_ms", "gap_max_ms"):
        assert not untold.HasField(name), name
        assert said.HasField(name), name
    assert (untold.packets, said.lost) == (500, 10)
    assert said.loss_pct == pytest.approx(2.0)


def test_nothing_received_is_no_loss_and_shows_as_such() -> None:
    mute = replace(a_report(), received=RtpCount(), mos=None)
    media = attempt_to_proto(replace(an_attempt(), media=mute, media_flow=Flow.NONE_RECEIVED)).media
    assert media.flow == pb.MEDIA_FLOW_NONE_RECEIVED
    assert not media.received.HasField("lost")
    assert MessageToDict(media.received) == {}


def test_more_bytes_than_a_number_of_the_wire_holds_are_shown_as_its_most() -> None:
    long = replace(a_report(), received=replace(a_report().received, octets=3 * INT32_MAX))
    media = attempt_to_proto(replace(an_attempt(), media=long)).media
    assert media.received.bytes == INT32_MAX


def test_whom_we_spoke_to_survives_storage_whatever_a_certificate_says() -> None:
    assert tls_of_plain(tls_to_plain(TLS)) == TLS
    odd = replace(TLS, subject="CN=a\0b")
    assert "\0" not in tls_of_plain(tls_to_plain(odd)).subject


def test_a_carrier_of_an_earlier_version_is_spoken_to_over_udp_in_e164() -> None:
    config = convert.dial_config(provider_pb2.Provider(id=str(uuid4()), hostname="h.example"))
    assert (config.transport, config.number_format) == (Transport.UDP, NumberFormat.E164)
    assert (config.port, config.outbound_proxy, config.session_expires_s) == (0, "", 0)
    assert config.failover_codes == ()


@pytest.mark.parametrize(
    "value", [one for one in provider_pb2.ProviderTransport.DESCRIPTOR.values if one.number]
)
def test_every_transport_of_the_contract_is_known(value: Any) -> None:
    provider = provider_pb2.Provider(id=str(uuid4()), transport=value.number)
    transport = convert.dial_config(provider).transport
    assert f"PROVIDER_TRANSPORT_{transport.name}" == value.name


def test_how_a_carrier_is_reached_is_read_whole() -> None:
    config = convert.dial_config(
        provider_pb2.Provider(
            id=str(uuid4()),
            hostname="h.example",
            port=5080,
            outbound_proxy="proxy.example",
            tls_ca="PEM",
            session_expires=1800,
            number_format=provider_pb2.PROVIDER_NUMBER_FORMAT_DIGITS,
            failover_codes=["5xx", "unreachable"],
        )
    )
    assert (config.port, config.outbound_proxy, config.tls_ca) == (5080, "proxy.example", "PEM")
    assert (config.session_expires_s, config.number_format) == (1800, NumberFormat.DIGITS)
    assert config.failover_codes == ("5xx", "unreachable")
