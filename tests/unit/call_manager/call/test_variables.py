from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from call_manager.call.domain import Address, AddressType
from call_manager.call.variables import builtin_variables
from tests.unit.call_manager.dialer.dialer_world import a_call


def test_a_call_tells_itself_and_both_its_ends() -> None:
    source = Address(AddressType.TEL, "+15550100001", "Anna", "desk", "second floor")
    destination = Address(AddressType.SIP, "bob@example.com")
    call = replace(a_call(datetime.now(UTC)), source=source, destination=destination)
    assert builtin_variables(call) == {
        "voipbin.call.id": str(call.id),
        "voipbin.call.direction": "outgoing",
        "voipbin.call.master_call_id": "",
        "voipbin.call.digits": "",
        "voipbin.call.source.type": "tel",
        "voipbin.call.source.target": "+15550100001",
        "voipbin.call.source.target_name": "Anna",
        "voipbin.call.source.name": "desk",
        "voipbin.call.source.detail": "second floor",
        "voipbin.call.destination.type": "sip",
        "voipbin.call.destination.target": "bob@example.com",
        "voipbin.call.destination.target_name": "",
        "voipbin.call.destination.name": "",
        "voipbin.call.destination.detail": "",
    }
