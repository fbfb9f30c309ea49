"""What a flow may know of its call by name: `voipbin.call.*` (CONTRACT.md section 2.7; pure)."""

from __future__ import annotations

from call_manager.call.domain import Address, Call

_PREFIX = "voipbin.call"


def builtin_variables(call: Call) -> dict[str, str]:
    """Return the call's own variables; an unset one is empty."""
    return {
        f"{_PREFIX}.id": str(call.id),
        f"{_PREFIX}.direction": "outgoing",
        # Nothing chains calls.
        f"{_PREFIX}.master_call_id": "",
        # What an action receives takes its place.
        f"{_PREFIX}.digits": "",
        **_end("source", call.source),
        **_end("destination", call.destination),
    }


def _end(which: str, address: Address) -> dict[str, str]:
    return {f"{_PREFIX}.{which}.{name}": text for name, text in address.to_plain().items()}
