"""Checks a caller's digest credentials, as a carrier does (RFC 3261 section 22, RFC 8760).

Written apart from the channel's own answers to challenges, so that a fault there shows here.
"""

from __future__ import annotations

import enum
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from typing import Final
from urllib.request import parse_http_list

from call_manager.channel import Credentials
from call_manager.simulator.behaviour import Challenge
from call_manager.sip.message import Headers, Request, quoted

NONCE_MAX_AGE_S: Final = 60.0
"""How long a nonce is good for; after that the caller is told that it is stale."""

_HEADERS: Final = {
    401: ("WWW-Authenticate", "Authorization"),
    407: ("Proxy-Authenticate", "Proxy-Authorization"),
}


class Verdict(enum.Enum):
    """What a request's credentials are worth."""

    ABSENT = "absent"
    STALE = "stale"
    WRONG = "wrong"
    RIGHT = "right"


class DigestGuard:
    """Challenges as a behaviour wants it, and checks the answers.

    A nonce is a time signed together with the Call-ID, so nothing needs to be remembered.
    """

    def __init__(
        self, credentials: Credentials, realm: str, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._credentials = credentials
        self._realm = realm
        self._now = now
        self._key = secrets.token_bytes(32)

    def challenge(self, asked: Challenge, call_id: str, *, stale: bool) -> Headers:
        """Return the headers of a 401 or 407, one for each algorithm (RFC 8760 section 2.3)."""
        nonce = self._nonce(f"{self._now():.3f}", call_id)
        common = f'Digest realm="{quoted(self._realm)}", nonce="{nonce}"'
        rest = "" if asked.qop == "none" else f', qop="{asked.qop}"'
        rest += ", stale=true" if stale else ""
        name = _HEADERS[asked.code][0]
        return tuple((name, f"{common}, algorithm={known}{rest}") for known in asked.algorithms)

    def judge(self, asked: Challenge, request: Request) -> Verdict:
        """Check the answer to a 401 or 407 (RFC 7616 section 3.4.1)."""
        answers = [_parameters(value) for value in request.values(_HEADERS[asked.code][1])]
        given = next((a for a in answers if a and a.get("realm") == self._realm), None)
        if given is None:
            return Verdict.ABSENT
        nonce = given.get("nonce", "")
        at = nonce.partition("-")[0]
        if not hmac.compare_digest(_octets(nonce), _octets(self._nonce(at, request.call_id))):
            # Somebody else's nonce, or one from before our restart.
            return Verdict.STALE
        expected = self._expected(asked, request, given)
        if expected is None or not hmac.compare_digest(
            expected.encode(), _octets(given.get("response", "").lower())
        ):
            return Verdict.WRONG
        return Verdict.STALE if self._now() - float(at) > NONCE_MAX_AGE_S else Verdict.RIGHT

    def _nonce(self, at: str, call_id: str) -> str:
        signed = _octets(f"{at} {call_id}")
        return f"{at}-{hmac.new(self._key, signed, hashlib.sha256).hexdigest()[:32]}"

    def _expected(self, asked: Challenge, request: Request, given: dict[str, str]) -> str | None:
        """Return the only right response; None when the answer is not to our challenge."""
        username = asked.username or self._credentials.username
        password = asked.password or self._credentials.password
        algorithm, qop = given.get("algorithm", "MD5").upper(), given.get("qop", "none")
        fits = (
            (given.get("username"), given.get("uri")) == (username, request.uri)
            and algorithm in asked.algorithms
            and qop in asked.qop.split(",")
        )
        if not fits or (qop != "none" and not (given.get("nc") and given.get("cnonce"))):
            return None
        subject = f"{request.method}:{request.uri}"
        if qop == "auth-int":
            subject += ":" + _hash(algorithm, request.body)
        facts = [given["nonce"]]
        if qop != "none":
            facts += [given["nc"], given["cnonce"], qop]
        secret = _hash(algorithm, _octets(f"{username}:{self._realm}:{password}"))
        whole = ":".join((secret, *facts, _hash(algorithm, _octets(subject))))
        return _hash(algorithm, _octets(whole))


def _parameters(header: str) -> dict[str, str] | None:
    """Read an Authorization value; None when it is absent or no Digest."""
    scheme, _, rest = header.partition(" ")
    if scheme.lower() != "digest":
        return None
    found: dict[str, str] = {}
    for part in parse_http_list(rest):  # It also resolves what is escaped inside quotes.
        name, _, value = part.partition("=")
        found[name.strip().lower()] = value.strip().removeprefix('"').removesuffix('"')
    return found


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _hash(algorithm: str, octets: bytes) -> str:
    if algorithm == "SHA-256":
        return hashlib.sha256(octets).hexdigest()
    # RFC 3261 knows no other algorithm; what it protects here is a simulator.
    return hashlib.md5(octets, usedforsecurity=False).hexdigest()
