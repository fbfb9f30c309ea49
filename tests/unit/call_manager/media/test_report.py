"""A report survives its JSON form."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from call_manager.channel import MediaReport, RtpCount
from call_manager.media.report import of_plain, to_plain
from mesh.clock import new_id

AT = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)


def test_a_report_comes_back_from_json_as_it_was() -> None:
    report = MediaReport(
        attempt_id=new_id(),
        codec="PCMU",
        payload_type=0,
        local_address="192.0.2.1:20000",
        remote_address="[2001:db8::1]:30000",
        sent=RtpCount(500, 80_000, AT, AT, 3, 1.5, 2.5),
        received=RtpCount(499, 79_840, AT, None, 1, 0.25, 4.0, 2, 61.0),
        rtt_ms=20.5,
        rtcp_packets=4,
        mos=4.3,
        other_payloads=(13, 101),
    )
    assert of_plain(json.loads(json.dumps(to_plain(report)))) == report


def test_a_report_of_nothing_comes_back_too() -> None:
    report = MediaReport(new_id(), "", 0, "", "", RtpCount(), RtpCount())
    assert of_plain(json.loads(json.dumps(to_plain(report)))) == report
