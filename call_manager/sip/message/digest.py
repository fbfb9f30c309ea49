"""Digest answers to 401 and 407 (RFC 3261 section 22, RFC 7616, RFC 8760)."""

from __future__ import annotations

from aiosipua.auth import SipDigestAuth, build_credentials
from aiosipua.headers import AuthChallenge, AuthCredentials, parse_auth, stringify_auth

from call_manager.channel import Credentials
from call_manager.sip.message.wire import Request, Response


def answer_challenge(
    challenged: Response, request: Request, credentials: Credentials
) -> tuple[str, str] | None:
    """Return the header that answers a 401 or 407, or None when no challenge can be answered.

    Answered are MD5 and SHA-256, with `qop=auth` or without qop; of several challenges the
    first of these, since servers list them by preference (RFC 8760 section 2.3).
    """
    proxy = challenged.code == 407
    for challenge in _challenges(challenged):
        found = _credentials(challenge, request, credentials)
        if found is not None:
            # The hash is over the bare name, the header holds it as a quoted-string.
            found.params["username"] = quoted(credentials.username)
            return ("Proxy-Authorization" if proxy else "Authorization"), stringify_auth(found)
    return None


def _credentials(
    challenge: AuthChallenge, request: Request, credentials: Credentials
) -> AuthCredentials | None:
    auth = SipDigestAuth(credentials.username, credentials.password)
    try:
        return build_credentials(auth, challenge, request.method, request.uri)
    except UnicodeEncodeError:
        # The realm is no UTF-8, as it must be (RFC 7616 section 4): nobody can know its hash.
        return None


def is_stale(challenged: Response) -> bool:
    """Tell whether the peer only wants a newer nonce (RFC 7616 section 3.3)."""
    return any(c.params.get("stale", "").lower() == "true" for c in _challenges(challenged))


def quoted(text: str) -> str:
    """Escape text for the inside of a quoted-string (RFC 3261 section 25.1)."""
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _challenges(challenged: Response) -> list[AuthChallenge]:
    name = "Proxy-Authenticate" if challenged.code == 407 else "WWW-Authenticate"
    challenges = [parse_auth(value) for value in challenged.values(name)]
    for challenge in challenges:
        # Parameter names have no case (RFC 7616 section 3.3); the library looks them up exactly.
        challenge.params = {key.lower(): value for key, value in challenge.params.items()}
    return challenges
