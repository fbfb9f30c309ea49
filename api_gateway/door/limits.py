"""How often an address or a customer may ask (contract section 1.7)."""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from api_gateway.account.admitted import Admitted
from api_gateway.door.errors import RateLimitExceeded
from mesh.ratelimit import Allowance, Rate, RateLimiter

UNLIMITED: Final = Rate(0.0, 0)
"""No limit."""

_IPV6_SITE: Final = 64


@dataclass(frozen=True, slots=True)
class Rates:
    """Every limit of the door; by default none."""

    address: Rate = UNLIMITED
    """One address, whatever it asks."""
    signing_in: Rate = UNLIMITED
    """One address at `/auth/`."""
    customer: Rate = UNLIMITED
    """All of a customer's agents and access keys together."""
    delegated: Rate = UNLIMITED
    """All who act for a customer by delegation."""


class Limits:
    """Counts requests; what each limit said goes into `told`, for the answer's headers."""

    def __init__(self, rates: Rates) -> None:
        self._address = _limiter("ip", rates.address)
        self._signing_in = _limiter("auth", rates.signing_in)
        self._customer = _limiter("customer", rates.customer)
        self._delegated = _limiter("delegated", rates.delegated)

    def address(self, address: str, *, signing_in: bool, told: list[Allowance]) -> None:
        """Count a request of an address; raises RateLimitExceeded."""
        _take(self._address, address, "ip", told)
        if signing_in:
            _take(self._signing_in, address, "ip", told)

    def customer(self, admitted: Admitted, told: list[Allowance]) -> None:
        """Count a request of a caller; raises RateLimitExceeded."""
        limiter = self._delegated if admitted.delegated else self._customer
        _take(limiter, admitted.identity.customer_id, "customer", told)


def _limiter(name: str, rate: Rate) -> RateLimiter | None:
    return None if rate.unlimited else RateLimiter(name, rate)


def _take(limiter: RateLimiter | None, key: str, whose: str, told: list[Allowance]) -> None:
    if limiter is None:
        return
    allowance = limiter.take(key)
    told.append(allowance)
    if allowance.refused:
        raise RateLimitExceeded(
            "Too many requests; ask again later.",
            limited_by=whose,
            retry_after_s=allowance.retry_after_s,
        )


def limit_headers(told: Sequence[Allowance]) -> list[tuple[str, str]]:
    """Return the `RateLimit-Policy` and `RateLimit` headers (draft-ietf-httpapi-ratelimit-10)."""
    if not told:
        return []
    return [
        ("ratelimit-policy", _listed(_policy(one.limiter) for one in told)),
        ("ratelimit", _listed(_left(one) for one in told)),
    ]


def _listed(items: Iterable[str]) -> str:
    return ", ".join(items)


def _policy(limiter: RateLimiter) -> str:
    return f'"{limiter.name}";q={limiter.rate.burst};w={limiter.window_s}'


def _left(allowance: Allowance) -> str:
    seconds = math.ceil(allowance.retry_after_s or allowance.reset_s)
    return f'"{allowance.limiter.name}";r={allowance.remaining};t={seconds}'


def site(address: str) -> str:
    """Return what counts as one address: of IPv6 the network of a site, for it may use it all."""
    if ":" not in address:
        return address
    try:
        found = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, _IPV6_SITE), strict=False))
