"""What Telnyx's public API description says of the three objects of a SIP trunk.

From its OpenAPI document: CreateOutboundVoiceProfileRequest, CreateFqdnConnectionRequest and
CreateFqdnRequest. `user_name` and `password` of a connection are in its response schema.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

Rule = Callable[[Any], bool]


@dataclass(frozen=True)
class Kind:
    """One kind of object: its answer's status and type, its list's filter, what hangs on it."""

    record_type: str
    created: int
    filter: str
    filtered: str
    required: tuple[str, ...]
    fields: Mapping[str, Rule]
    child: str | None = None
    parent_of: Callable[[Mapping[str, Any]], str | None] = lambda _: None


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _one_of(*values: str) -> Rule:
    return lambda value: value in values


def _object(**fields: Rule) -> Rule:
    return lambda value: (
        isinstance(value, dict)
        and all(name in fields and fields[name](inner) for name, inner in value.items())
    )


def _matching(pattern: str) -> Rule:
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None


def _countries(value: Any) -> bool:
    return isinstance(value, list) and all(_matching(r"[A-Z]{2}")(one) for one in value)


def _port(value: Any) -> bool:
    return value is None or (type(value) is int and 1 <= value <= 65_535)


_INBOUND: Final = _object(
    ani_number_format=_one_of("+E.164", "E.164", "+E.164-national", "E.164-national"),
    dnis_number_format=_one_of("+e164", "e164", "national", "sip_username"),
)
_OUTBOUND: Final = _object(
    outbound_voice_profile_id=_text,
    ip_authentication_method=_one_of("credential-authentication", "ip-authentication"),
)

KINDS: Final[Mapping[str, Kind]] = {
    "outbound_voice_profiles": Kind(
        record_type="outbound_voice_profile",
        created=200,
        filter="filter[name][contains]",
        filtered="name",
        required=("name",),
        fields={
            "name": lambda value: _text(value) and len(value) >= 3,
            "traffic_type": _one_of("conversational"),
            "service_plan": _one_of("global"),
            "whitelisted_destinations": _countries,
        },
        child="fqdn_connections",
    ),
    "fqdn_connections": Kind(
        record_type="fqdn_connection",
        created=201,
        filter="filter[connection_name][contains]",
        filtered="connection_name",
        required=("connection_name",),
        fields={
            "connection_name": _text,
            "active": lambda value: isinstance(value, bool),
            "transport_protocol": _one_of("UDP", "TCP", "TLS"),
            "user_name": _matching(r"[A-Za-z0-9]{4,32}"),
            "password": _matching(r"[!-~]{8,128}"),
            "inbound": _INBOUND,
            "outbound": _OUTBOUND,
        },
        child="fqdns",
        parent_of=lambda one: one.get("outbound", {}).get("outbound_voice_profile_id"),
    ),
    "fqdns": Kind(
        record_type="fqdn",
        created=201,
        filter="filter[connection_id]",
        filtered="connection_id",
        required=("fqdn", "dns_record_type", "connection_id"),
        fields={
            "connection_id": _text,
            "fqdn": _matching(r"([A-Za-z0-9-]+\.)+[A-Za-z]+"),
            "port": _port,
            "dns_record_type": _one_of("a", "srv"),
        },
        parent_of=lambda one: one.get("connection_id"),
    ),
}


def broken_rules(kind: str, body: Any) -> list[str]:
    """Return what a request to create breaks of the description."""
    if not isinstance(body, dict):
        return [f"{kind}: the body is no object"]
    rules = KINDS[kind]
    missing = [f"{kind}: {name} is missing" for name in rules.required if name not in body]
    unknown = [f"{kind}: {name} is unknown" for name in body if name not in rules.fields]
    wrong = [
        f"{kind}: {name} is {value!r}"
        for name, value in body.items()
        if name in rules.fields and not rules.fields[name](value)
    ]
    # "For cases where a port is set, the DNS record type must be 'a'."
    if kind == "fqdns" and body.get("port") and body.get("dns_record_type") != "a":
        wrong.append("fqdns: a port without an A record")
    return [*missing, *unknown, *wrong]


def missing_relative(
    kind: str, body: Mapping[str, Any], objects: Mapping[str, Mapping[str, Any]]
) -> str | None:
    """Return what is wrong when the object that a new one belongs to does not exist."""
    parents = {rules.child: name for name, rules in KINDS.items()}
    wanted = KINDS[kind].parent_of(body)
    if wanted is None or wanted in objects[parents[kind]]:
        return None
    return f"There is no {parents[kind]} {wanted}."


def shown(made: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object as answers show it."""
    return {name: value for name, value in made.items() if name != "password"}
