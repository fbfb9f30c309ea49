import hashlib

import pytest

from call_manager.channel import Credentials
from call_manager.simulator.behaviour import Challenge
from call_manager.simulator.digest import NONCE_MAX_AGE_S, DigestGuard, Verdict
from call_manager.sip.message import Request

ASKED = Challenge(code=401)
URI = "sip:+12025550105@carrier.example"


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def guard(clock: Clock) -> DigestGuard:
    return DigestGuard(Credentials('a "b"', "secret"), "realm, with comma", clock)


def answer(guard: DigestGuard, **changes: str) -> Request:
    """Answer the guard's own challenge rightly, but for `changes`."""
    nonce = (
        guard.challenge(ASKED, "call-1", stale=False)[0][1]
        .partition('nonce="')[2]
        .partition('"')[0]
    )
    password = changes.pop("password", "secret")
    secret = md5(f'a "b":realm, with comma:{password}')
    response = md5(f"{secret}:{nonce}:00000001:c:auth:{md5(f'INVITE:{URI}')}")
    values = {
        "username": r'"a \"b\""',
        "realm": '"realm, with comma"',
        "nonce": f'"{nonce}"',
        "uri": f'"{URI}"',
        "response": f'"{response}"',
        "qop": "auth",
        "nc": "00000001",
        "cnonce": '"c"',
        **changes,
    }
    header = "Digest " + ", ".join(f"{name}={value}" for name, value in values.items())
    return Request((("Authorization", header), ("Call-ID", "call-1")), b"", "INVITE", URI)


def test_the_right_answer_is_right(guard: DigestGuard) -> None:
    assert guard.judge(ASKED, answer(guard)) is Verdict.RIGHT


@pytest.mark.parametrize(
    "changes",
    [
        {"password": "guessed"},
        {"username": '"other"'},
        {"uri": '"sip:other@carrier.example"'},
        {"response": '""'},
        {"response": '"'},
        {"qop": "auth-int"},
        {"nc": ""},
        {"cnonce": '""'},
        {"algorithm": "SHA-256"},
    ],
)
def test_any_other_answer_is_wrong(guard: DigestGuard, changes: dict[str, str]) -> None:
    assert guard.judge(ASKED, answer(guard, **changes)) is Verdict.WRONG


def test_an_old_nonce_is_stale(guard: DigestGuard, clock: Clock) -> None:
    answered = answer(guard)
    clock.now += NONCE_MAX_AGE_S + 1
    assert guard.judge(ASKED, answered) is Verdict.STALE


def test_a_nonce_that_is_not_ours_is_stale_whatever_it_looks_like(guard: DigestGuard) -> None:
    for nonce in ('"100.000-00"', '"-"', '""', '"x"'):
        assert guard.judge(ASKED, answer(guard, nonce=nonce)) is Verdict.STALE


@pytest.mark.parametrize("header", ["", "Basic YTpi", "Digest", "Digest realm=other", "Digest =,="])
def test_without_an_answer_to_our_realm_there_is_none(guard: DigestGuard, header: str) -> None:
    request = Request((("Authorization", header), ("Call-ID", "call-1")), b"", "INVITE", URI)
    assert guard.judge(ASKED, request) is Verdict.ABSENT
