from datetime import UTC, datetime, timedelta

import pytest

from api_gateway.cli.ladder import COLUMNS, MESSAGES_MAX, draw

MESH, CARRIER = ("127.0.0.1", 5060), ("127.0.0.1", 5070)
START = datetime(2026, 11, 22, 12, 0, 0, 250_000, UTC)


def message(
    after_s: float, start_line: str, method: str, *, sent: bool = True, body: str = ""
) -> dict[str, object]:
    source, target = (MESH, CARRIER) if sent else (CARRIER, MESH)
    return {
        "timestamp": f"{START + timedelta(seconds=after_s):%Y-%m-%dT%H:%M:%S.%fZ}",
        "method": method,
        "src_ip": source[0],
        "src_port": source[1],
        "dst_ip": target[0],
        "dst_port": target[1],
        "raw": f"{start_line}\r\nCall-ID: x\r\n\r\n{body}",
    }


INVITE = message(0, "INVITE sip:+12025550100@127.0.0.1:5070 SIP/2.0", "INVITE", body="v=0\r\n")
CALL = [
    INVITE,
    message(0.002, "SIP/2.0 100 Trying", "100 INVITE", sent=False),
    message(0.2, "SIP/2.0 200 OK", "200 INVITE", sent=False, body="v=0\r\n"),
    message(0.201, "ACK sip:carrier@127.0.0.1:5070 SIP/2.0", "ACK"),
    message(1.7005, "BYE sip:carrier@127.0.0.1:5070 SIP/2.0", "BYE"),
    message(1.702, "SIP/2.0 200 OK", "200 BYE", sent=False),
]


def test_every_message_is_an_arrow_with_its_time_since_the_first() -> None:
    lanes, ends, *arrows = draw(CALL, "voipbin-mesh", "carrier").splitlines()
    assert lanes.split() == ["voipbin-mesh", "carrier"]
    assert ends.split() == ["127.0.0.1:5060", "127.0.0.1:5070"]
    drawn = [(row[:11].strip(), row[-2] == ">", row[12:-2].strip("-<> ")) for row in arrows]
    assert drawn == [
        ("+0.000 s", True, "INVITE sip:+12025550100@127.0.0.1:5070, SDP"),
        ("+0.002 s", False, "100 Trying (INVITE)"),
        ("+0.200 s", False, "200 OK (INVITE, SDP)"),
        ("+0.201 s", True, "ACK"),
        ("+1.700 s", True, "BYE"),
        ("+1.702 s", False, "200 OK (BYE)"),
    ]


def test_a_repeated_message_is_marked() -> None:
    repeated = INVITE | {"timestamp": "2026-11-22T12:00:00.750000Z"}
    assert "SDP (again)" in draw([INVITE, repeated], "a", "b").splitlines()[-1]


@pytest.mark.parametrize("sip_messages", [CALL, [INVITE] * 500], ids=["a call", "a flood"])
def test_no_line_is_wider_than_a_terminal(sip_messages: list[dict[str, object]]) -> None:
    long = message(0, f"INVITE sip:{'9' * 500}@127.0.0.1 SIP/2.0", "INVITE")
    lines = draw([long, *sip_messages], "voipbin-mesh", "carrier").splitlines()
    assert max(len(line) for line in lines) <= COLUMNS
    assert len(lines) <= MESSAGES_MAX + 3


def test_a_flood_says_how_much_is_left_out() -> None:
    last = draw([INVITE] * (MESSAGES_MAX + 7), "a", "b").splitlines()[-1]
    assert last.strip() == "… and 7 more"


def test_a_call_without_messages_says_so() -> None:
    assert draw([], "a", "b") == "No SIP message was sent or received.\n"
