"""Answers to challenges, checked with the arithmetic of RFC 7616 done by hand."""

from __future__ import annotations

import hashlib
from urllib.request import parse_http_list

import pytest

from call_manager.channel import Credentials
from call_manager.sip.message import Answering, Authenticator, Headers, Request, Response
from call_manager.sip.message.digest import NONCES_MAX, REALMS_MAX

INVITE = Request((), b"", "INVITE", "sip:9@carrier.example")
BYE = Request((), b"", "BYE", "sip:9@carrier.example")
MUFASA = Credentials("Mufasa", "Circle of Life")


def challenged(*challenges: str, code: int = 401) -> Response:
    """A 401 or 407; a challenge without a header name gets the code's own."""
    name = "WWW-Authenticate" if code == 401 else "Proxy-Authenticate"
    pairs = (c.split(": ", 1) if ": " in c else [name, c] for c in challenges)
    return Response(tuple((pair[0], pair[1]) for pair in pairs), b"", code, "Who")


def parameters(header: str) -> dict[str, str]:
    scheme, _, rest = header.partition(" ")
    assert scheme == "Digest"
    pairs = (part.split("=", 1) for part in parse_http_list(rest))
    return {name.strip(): value.strip('"') for name, value in pairs}


def is_right(header: str, method: str, credentials: Credentials = MUFASA) -> bool:
    given = parameters(header)
    name = {"MD5": "md5", "SHA-256": "sha256"}[given["algorithm"].upper()]

    def digest(text: str) -> str:
        return hashlib.new(name, text.encode()).hexdigest()

    secret = digest(f"{credentials.username}:{given['realm']}:{credentials.password}")
    subject = digest(f"{method}:{given['uri']}")
    middle = [given["nonce"]]
    if "qop" in given:
        middle += [given["nc"], given["cnonce"], given["qop"]]
    return given["response"] == digest(":".join([secret, *middle, subject]))


def begin() -> Answering:
    return Authenticator(MUFASA).begin()


@pytest.mark.parametrize("algorithm", ["", ", algorithm=MD5", ", algorithm=SHA-256"])
@pytest.mark.parametrize("qop", ["", ', qop="auth"', ', qop="auth-int,auth"'])
@pytest.mark.parametrize(("code", "name"), [(401, "Authorization"), (407, "Proxy-Authorization")])
def test_a_challenge_is_answered_as_it_asks(algorithm: str, qop: str, code: int, name: str) -> None:
    challenge = f'Digest realm="r", nonce="n", opaque="o"{algorithm}{qop}'
    ((header, value),) = begin().answer(challenged(challenge, code=code), INVITE)
    assert header == name
    assert is_right(value, "INVITE")
    assert parameters(value)["opaque"] == "o"
    assert ("cnonce" in value) == bool(qop)


def test_the_examples_of_rfc_7616_come_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Section 3.9.1, both algorithms; its cnonce is fixed, so ours is made the same."""
    cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    monkeypatch.setattr("aiosipua.auth.os.urandom", lambda _: _Cnonce(cnonce))
    nonce, realm = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", "http-auth@example.org"
    request = Request((), b"", "GET", "/dir/index.html")
    for algorithm, expected in [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ]:
        challenge = f'Digest realm="{realm}", qop="auth", algorithm={algorithm}, nonce="{nonce}"'
        ((_, value),) = begin().answer(challenged(challenge), request)
        assert parameters(value)["response"] == expected


class _Cnonce(bytes):
    """What the library asks for as random octets, to write them in hexadecimal."""

    def __new__(cls, text: str) -> _Cnonce:
        return super().__new__(cls, text.encode())

    def hex(self, *_: object, **__: object) -> str:
        return self.decode()


@pytest.mark.parametrize("first", ["MD5", "SHA-256"])
def test_the_strongest_of_a_realm_wins_wherever_it_stands(first: str) -> None:
    second = "SHA-256" if first == "MD5" else "MD5"
    offers = [f'Digest realm="r", nonce="{a}", algorithm={a}' for a in (first, "NEW", second)]
    ((_, value),) = begin().answer(challenged(*offers), INVITE)
    assert parameters(value)["algorithm"] == "SHA-256"
    assert is_right(value, "INVITE")


def test_a_realm_is_answered_once_and_once_more_when_its_nonce_was_stale() -> None:
    answering = begin()
    stale = challenged('Digest realm="r", nonce="m", stale=TRUE')
    assert answering.answer(challenged('Digest realm="r", nonce="n"'), INVITE)
    assert answering.answer(stale, INVITE)
    assert not answering.answer(stale, INVITE)
    other = begin()
    assert other.answer(stale, INVITE), "the first challenge may call anything stale"
    assert not other.answer(challenged('Digest realm="r", nonce="n"'), INVITE)


def test_a_proxy_and_the_carrier_behind_it_are_both_answered() -> None:
    answering = begin()
    proxy = 'Digest realm="p", nonce="1", qop="auth"'
    (first,) = answering.answer(challenged(proxy, code=407), INVITE)
    carrier = challenged('Digest realm="c", nonce="2", qop="auth"')
    again, second = answering.answer(carrier, INVITE)
    assert (first[0], again[0], second[0]) == (
        *("Proxy-Authorization", "Proxy-Authorization"),
        "Authorization",
    )
    assert parameters(again[1])["nc"] == "00000002"
    assert is_right(again[1], "INVITE")
    assert is_right(second[1], "INVITE")


def test_one_answer_may_bring_the_challenges_of_a_whole_fork() -> None:
    response = challenged(
        'Digest realm="a", nonce="1"',
        'Digest realm="b", nonce="2"',
        'Proxy-Authenticate: Digest realm="a", nonce="3"',
    )
    headers = begin().answer(response, INVITE)
    assert [(name, parameters(value)["nonce"]) for name, value in headers] == [
        *(("Authorization", "1"), ("Authorization", "2"), ("Proxy-Authorization", "3")),
    ]


def test_a_nonce_is_counted_over_the_whole_leg() -> None:
    leg = Authenticator(MUFASA)
    challenge = challenged('Digest realm="r", nonce="n", qop="auth"')
    counts = []
    for request in (INVITE, BYE):
        ((_, value),) = leg.begin().answer(challenge, request)
        assert is_right(value, request.method)
        counts.append(parameters(value)["nc"])
    assert counts == ["00000001", "00000002"]


def test_what_a_leg_remembers_of_nonces_is_bounded() -> None:
    leg = Authenticator(MUFASA)
    for number in range(3 * NONCES_MAX):
        leg.begin().answer(challenged(f'Digest realm="r", nonce="{number}"'), INVITE)
    assert len(leg._uses) == NONCES_MAX


@pytest.mark.parametrize("at_once", [1, 3])
def test_a_peer_that_always_asks_for_another_realm_is_not_answered_for_ever(at_once: int) -> None:
    answering = begin()
    retries = 0
    for number in range(0, 12 * at_once, at_once):
        asked = [f'Digest realm="{number + more}", nonce="n"' for more in range(at_once)]
        retries += bool(answering.answer(challenged(*asked), INVITE))
    assert retries == REALMS_MAX // at_once


def test_more_realms_at_once_than_anybody_has_are_not_answered() -> None:
    many = [f'Digest realm="{number}", nonce="n"' for number in range(REALMS_MAX + 1)]
    assert begin().answer(challenged(*many[:-1]), INVITE)
    assert begin().answer(challenged(*many), INVITE) == ()


@pytest.mark.parametrize(
    "challenge",
    [
        "Basic realm=x",
        'Digest realm="r"',
        'Digest realm="r", nonce="n", qop="auth-int"',
        'Digest realm="r", nonce="n", algorithm=MD5-sess',
        'Digest realm="caf\udce9", nonce="n"',
        "Digest",
        "",
    ],
)
def test_a_challenge_nobody_can_answer_is_not_answered(challenge: str) -> None:
    assert begin().answer(challenged(challenge), INVITE) == ()


def test_a_realm_that_cannot_be_answered_makes_the_retry_pointless() -> None:
    both = challenged('Digest realm="a", nonce="1"', 'Digest realm="b", nonce="2", algorithm=X')
    assert begin().answer(both, INVITE) == ()


def test_a_basic_challenge_beside_a_digest_is_passed_over() -> None:
    headers: Headers = begin().answer(
        challenged('Basic realm="a"', 'Digest realm="a", nonce="1"'), INVITE
    )
    assert len(headers) == 1


@pytest.mark.parametrize("username", ['u"x', "u\\x", 'a", realm="evil'])
def test_a_user_name_with_quotes_stays_inside_its_quotes(username: str) -> None:
    answering = Authenticator(Credentials(username, "p")).begin()
    ((_, value),) = answering.answer(challenged('Digest realm="r", nonce="n"'), INVITE)
    escaped = username.replace("\\", "\\\\").replace('"', '\\"')
    assert f'username="{escaped}"' in value
    secret = hashlib.md5(f"{username}:r:p".encode()).hexdigest()
    subject = hashlib.md5(b"INVITE:sip:9@carrier.example").hexdigest()
    assert hashlib.md5(f"{secret}:n:{subject}".encode()).hexdigest() in value


def test_a_password_never_shows_in_a_representation() -> None:
    assert "Circle" not in repr(Authenticator(MUFASA))
