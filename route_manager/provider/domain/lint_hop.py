"""The linter's rules about the host that requests go to, its port, and its certificate."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from ipaddress import ip_address
from typing import Final

from mesh.addresses import is_public
from route_manager.provider.domain.case import Case, HostFacts
from route_manager.provider.domain.certificates import certificates
from route_manager.provider.domain.hop import NextHop
from route_manager.provider.domain.provider import Transport
from route_manager.provider.domain.warning import ProviderWarning, WarningCode

Rule = Callable[[Case], Iterator[ProviderWarning]]

EXPIRES_SOON: Final = timedelta(days=30)

_UNCHECKED: Final = (Transport.UDP, Transport.TCP)
_TLS_PORT: Final = 5061
_SIP_PORT: Final = 5060
_WELL_KNOWN_PORT_MAX: Final = 1023
# RFC 3261 section 19.1.2: the ports of the other transports.
_OTHERS_PORT: Final[Mapping[Transport, int]] = {
    Transport.UDP: _TLS_PORT,
    Transport.TCP: _TLS_PORT,
    Transport.TLS: _SIP_PORT,
}


def _port(case: Case) -> Iterator[ProviderWarning]:
    hop = case.hop
    if hop is not None and hop.port is not None and hop.port <= _WELL_KNOWN_PORT_MAX:
        yield ProviderWarning(
            WarningCode.PORT_UNUSUAL,
            hop.port_field,
            f"Port {hop.port} belongs to another protocol.",
            "Use the carrier's SIP port; leave it out when its documentation names none.",
        )


def _port_of_another_transport(case: Case) -> Iterator[ProviderWarning]:
    hop = case.hop
    if hop is None or hop.port is None or hop.port != _OTHERS_PORT.get(hop.transport):
        return
    spoken = hop.transport.value.upper()
    usual = "SIP over TLS" if hop.port == _TLS_PORT else "SIP over UDP and TCP"
    yield ProviderWarning(
        WarningCode.PORT_NOT_FOR_TRANSPORT,
        hop.port_field,
        f"Port {hop.port} is for {usual}, and requests go over {spoken}.",
        "Set the transport that the carrier names with this port, or its port for this transport.",
    )


def _resolves(case: Case) -> Iterator[ProviderWarning]:
    hop = case.hop
    if hop is None or case.host is None or case.host.addresses:
        return
    problem, fix = _unresolved(case.host, hop)
    yield ProviderWarning(WarningCode.HOST_UNRESOLVED, hop.field, problem, fix)


def _unresolved(host: HostFacts, hop: NextHop) -> tuple[str, str]:
    check = "Check the spelling and the carrier's documentation, then lint again."
    if not host.answered:
        return "The DNS did not say in time where the host is.", check
    if host.not_offered:
        return (
            f"The DNS says that the host takes no SIP over {_spoken(hop)}.",
            "Set the transport that the carrier's documentation names, or auto.",
        )
    if host.srv_unheeded:
        return (
            "The host has an SRV record but no address, and with a port only addresses count.",
            "Leave the port out, so that the SRV record says where to go.",
        )
    return "The host has no address now, so no call can go to it.", check


def _spoken(hop: NextHop) -> str:
    # Where the DNS may choose, UDP is what it refused to be the last resort.
    return "UDP" if hop.transport is Transport.AUTO else hop.transport.value.upper()


def _private(case: Case) -> Iterator[ProviderWarning]:
    found = case.host.addresses if case.host is not None else ()
    hop = case.hop
    if (
        hop is not None
        and found
        and not case.lab
        and not any(is_public(ip_address(one)) for one in found)
    ):
        yield ProviderWarning(
            WarningCode.HOST_PRIVATE,
            hop.field,
            "The host has only private or reserved addresses, which are not dialled.",
            "Use the carrier's public name, or lab mode where the carrier is your own.",
        )


def _tls_to_address(case: Case) -> Iterator[ProviderWarning]:
    hop = case.hop
    if hop is not None and hop.transport is Transport.TLS and hop.is_address:
        yield ProviderWarning(
            WarningCode.TLS_TO_ADDRESS,
            hop.field,
            "The certificate has to name the address itself, and hardly any carrier's does.",
            "Use the host name that the carrier's certificate is for.",
        )


def _unused_ca(case: Case) -> Iterator[ProviderWarning]:
    hop = case.hop
    if hop is not None and case.settings.tls_ca and hop.transport in _UNCHECKED:
        yield ProviderWarning(
            WarningCode.TLS_CA_UNUSED,
            "tls_ca",
            f"No certificate is checked over {hop.transport.value.upper()}.",
            "Set the transport to tls, or clear the certificates.",
        )


def _expiring_ca(case: Case) -> Iterator[ProviderWarning]:
    ends = [one.not_valid_after_utc for one in certificates(case.settings.tls_ca)]
    soon = [end for end in ends if end < case.now + EXPIRES_SOON]
    if soon:
        first = min(soon)
        verb = "ended" if first < case.now else "ends"
        yield ProviderWarning(
            WarningCode.TLS_CA_EXPIRES,
            "tls_ca",
            f"{len(soon)} of {len(ends)} certificates in it cannot be used for long: the first"
            f" {verb} on {first:%Y-%m-%d}, and what it issued is refused from then on.",
            "Add the carrier's new CA certificate; the old one may stay until the carrier changes.",
        )


HOP_RULES: Final[Sequence[Rule]] = (
    _port,
    _port_of_another_transport,
    _resolves,
    _private,
    _tls_to_address,
    _unused_ca,
    _expiring_ca,
)
