"""Digest answers to 401 and 407 (RFC 3261 section 22, RFC 7616, RFC 8760)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from aiosipua.auth import SipDigestAuth, build_credentials
from aiosipua.headers import AuthChallenge, AuthCredentials, parse_auth, stringify_auth

from call_manager.channel import Credentials
from call_manager.sip.message.wire import Headers, Request, Response

REALMS_MAX: Final = 4
"""Answered for one request: a proxy's, a carrier's. Whoever asks for more, one after the other or
at once, gets no further retry: each is an INVITE of its own."""
NONCES_MAX: Final = 16  # Remembered of one leg; the oldest is forgotten first.

_KINDS: Final = {
    "WWW-Authenticate": "Authorization",
    "Proxy-Authenticate": "Proxy-Authorization",
}
_STRENGTH: Final = ("MD5", "SHA-256")

Realm = tuple[str, str]
"""The header that answers, and the realm in it: what one password is asked for (22.3)."""


@dataclass(slots=True)
class Authenticator:
    """A leg's credentials, and how often each nonce was used with them (RFC 7616 3.4)."""

    credentials: Credentials
    _uses: dict[str, int] = field(default_factory=dict)

    def begin(self) -> Answering:
        """Return what answers the challenges to one request and its retries."""
        return Answering(self)

    def write(self, challenge: AuthChallenge, request: Request) -> AuthCredentials | None:
        """Answer one challenge; None for one that nobody here can answer."""
        auth = SipDigestAuth(self.credentials.username, self.credentials.password)
        nonce = challenge.params.get("nonce", "")
        count = self._uses.get(nonce, 0) + 1
        try:
            found = build_credentials(
                auth, challenge, request.method, request.uri, nonce_count=count
            )
        except UnicodeEncodeError:
            # The realm is no UTF-8, as it must be (RFC 7616 section 4): nobody can know its hash.
            return None
        if found is not None:
            self._uses.pop(nonce, None)
            self._uses[nonce] = count
            if len(self._uses) > NONCES_MAX:
                del self._uses[next(iter(self._uses))]
            # The hash is over the bare name, the header holds it as a quoted-string.
            found.params["username"] = quoted(self.credentials.username)
        return found


class Answering:
    """One request's dealings with challenges.

    Each realm's is answered once, and once more if the peer says that only its nonce was stale;
    a password that was refused is not offered again (RFC 3261 section 22.2). What another realm
    was told before goes along, since a proxy and the carrier behind it may both ask.
    """

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator
        self._answered: dict[Realm, AuthChallenge] = {}
        self._renewed: set[Realm] = set()

    def answer(self, challenged: Response, request: Request) -> Headers:
        """Return the headers for the retry of `request`; none when there is nothing to retry.

        Answered are MD5 and SHA-256, with `qop=auth` or without qop. A realm that offers both is
        answered with SHA-256, wherever it stands (RFC 8760 section 2.3 leaves that to us): who
        can alter messages should gain nothing by adding a weaker challenge.
        """
        asked = _by_realm(challenged)
        if not asked or len(self._answered.keys() | asked.keys()) > REALMS_MAX:
            return ()
        if any(not self._may_answer(realm, asked[realm]) for realm in asked):
            return ()
        told = {realm: [challenge] for realm, challenge in self._answered.items()}
        headers = []
        for realm, challenges in (told | asked).items():
            found = self._strongest(realm, challenges, request)
            if found is not None:
                headers.append((realm[0], stringify_auth(found)))
            elif realm in asked:
                return ()  # Without it the retry would be refused again.
        return tuple(headers)

    def again(self, request: Request) -> Headers:
        """Return what the realms that asked are told once more, when a request is repeated."""
        found = [
            (name, self._authenticator.write(challenge, request))
            for (name, _), challenge in self._answered.items()
        ]
        return tuple((name, stringify_auth(given)) for name, given in found if given is not None)

    def _may_answer(self, realm: Realm, challenges: list[AuthChallenge]) -> bool:
        if realm not in self._answered:
            return True
        stale = any(c.params.get("stale", "").lower() == "true" for c in challenges)
        if realm in self._renewed or not stale:
            return False
        self._renewed.add(realm)
        return True

    def _strongest(
        self, realm: Realm, challenges: list[AuthChallenge], request: Request
    ) -> AuthCredentials | None:
        for challenge in sorted(challenges, key=_strength, reverse=True):
            found = self._authenticator.write(challenge, request)
            if found is not None:
                self._answered[realm] = challenge
                return found
        return None


def quoted(text: str) -> str:
    """Escape text for the inside of a quoted-string (RFC 3261 section 25.1)."""
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _strength(challenge: AuthChallenge) -> int:
    algorithm = challenge.params.get("algorithm", "MD5").upper()
    return _STRENGTH.index(algorithm) if algorithm in _STRENGTH else -1


def _by_realm(challenged: Response) -> dict[Realm, list[AuthChallenge]]:
    """Sort the digest challenges by who asks; a proxy that forked may pass several on (16.7)."""
    found: dict[Realm, list[AuthChallenge]] = {}
    for kind, answer in _KINDS.items():
        for value in challenged.values(kind):
            challenge = parse_auth(value)
            # Parameter names have no case (RFC 7616 section 3.3); the library keeps theirs.
            challenge.params = {key.lower(): text for key, text in challenge.params.items()}
            if challenge.scheme.lower() == "digest":
                realm = answer, challenge.params.get("realm", "")
                found.setdefault(realm, []).append(challenge)
    return found
