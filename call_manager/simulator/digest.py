"""Checks a caller's digest credentials, as a carrier does (RFC 3261 section 22, RFC 7616).

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
from call_manager.sip.message import Request, quoted

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
    """Challenges with MD5 and `qop=auth`, which every carrier speaks, and checks the answers.

    A nonce is a time signed together with the Call-ID, so nothing needs to be remembered.
    """

    def __init__(
        self, credentials: Credentials, realm: str, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._credentials = credentials
        self._realm = realm
        self._now = now
        self._key = secrets.token_bytes(32)

    def challenge(self, code: int, call_id: str, *, stale: bool) -> tuple[str, str]:
        """Return the header that comes with a 401 or 407 (RFC 7616 section 3.3)."""
        nonce = self._nonce(f"{self._now():.3f}", call_id)
        value = f'Digest realm="{quoted(self._realm)}", nonce="{nonce}", algorithm=MD5, qop="auth"'
        return _HEADERS[code][0], value + (", stale=true" if stale else "")

    def judge(self, code: int, request: Request) -> Verdict:
        """Check the answer to a 401 or 407 (RFC 7616 section 3.4.1)."""
        given = _parameters(request.value(_HEADERS[code][1]))
        if given is None or given.get("realm") != self._realm:
            return Verdict.ABSENT
        nonce = given.get("nonce", "")
        at = nonce.partition("-")[0]
        if not hmac.compare_digest(nonce.encode(), self._nonce(at, request.call_id).encode()):
            # Somebody else's nonce, or one from before our restart.
            return Verdict.STALE
        expected = self._expected(request, given)
        if expected is None or not hmac.compare_digest(
            expected.encode(), given.get("response", "").lower().encode()
        ):
            return Verdict.WRONG
        return Verdict.STALE if self._now() - float(at) > NONCE_MAX_AGE_S else Verdict.RIGHT

    def _nonce(self, at: str, call_id: str) -> str:
        signed = f"{at} {call_id}".encode("utf-8", "surrogateescape")
        return f"{at}-{hmac.new(self._key, signed, hashlib.sha256).hexdigest()[:32]}"

    def _expected(self, request: Request, given: dict[str, str]) -> str | None:
        """Return the only right response; None when the answer is not to our challenge."""
        asked = (self._credentials.username, request.uri, "auth", "MD5")
        answered = (
            given.get("username"),
            given.get("uri"),
            given.get("qop"),
            given.get("algorithm", "MD5").upper(),
        )
        if asked != answered or not given.get("nc") or not given.get("cnonce"):
            return None
        secret = _md5(f"{asked[0]}:{self._realm}:{self._credentials.password}")
        subject = _md5(f"{request.method}:{request.uri}")
        facts = (given["nonce"], given["nc"], given["cnonce"], "auth", subject)
        return _md5(":".join((secret, *facts)))


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


def _md5(text: str) -> str:
    # RFC 3261 knows no other algorithm; what it protects here is a simulator.
    octets = text.encode("utf-8", "surrogateescape")
    return hashlib.md5(octets, usedforsecurity=False).hexdigest()
