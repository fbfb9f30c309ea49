"""Bearer tokens: whose they are, and every way in which one is worth nothing."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import OKPKey

from api_gateway.account.models import SigningKey
from api_gateway.account.tokens import (
    DELEGATED_LIFETIME,
    LIFETIME,
    Bearer,
    StoredKey,
    Tokens,
    new_private_der,
)
from mesh.clock import new_id
from tests.support.clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def a_key(clock: FakeClock) -> StoredKey:
    return StoredKey(new_id(), new_private_der(), clock.now())


def part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_a_token_names_its_agent(clock: FakeClock) -> None:
    tokens, bearer = Tokens([a_key(clock)], clock), Bearer(new_id(), 3)

    assert tokens.read(tokens.sign(bearer)) == bearer


async def test_a_token_is_worth_nothing_after_its_week(clock: FakeClock) -> None:
    tokens, bearer = Tokens([a_key(clock)], clock), Bearer(new_id(), 3)
    token = tokens.sign(bearer)

    await clock.advance(LIFETIME.total_seconds() - 1)
    assert tokens.read(token) == bearer
    await clock.advance(60)
    assert tokens.read(token) is None


async def test_tokens_of_an_older_key_are_still_read_but_the_newest_signs(
    clock: FakeClock,
) -> None:
    old, bearer = a_key(clock), Bearer(new_id(), 0)
    token = Tokens([old], clock).sign(bearer)
    await clock.advance(60)
    new = a_key(clock)

    both = Tokens([old, new], clock)
    assert both.read(token) == bearer
    assert Tokens([new], clock).read(both.sign(bearer)) == bearer


async def test_a_token_to_act_for_a_customer_is_worth_nothing_after_eight_hours(
    clock: FakeClock,
) -> None:
    tokens, bearer = Tokens([a_key(clock)], clock), Bearer(new_id(), 0, acts_for=new_id())
    token = tokens.sign(bearer)

    await clock.advance(DELEGATED_LIFETIME.total_seconds() - 1)
    assert tokens.read(token) == bearer
    await clock.advance(60)
    assert tokens.read(token) is None


def test_a_token_of_before_there_were_generations_is_of_the_first(clock: FakeClock) -> None:
    key, agent = a_key(clock), new_id()
    signing = OKPKey.import_key(key.private_der, {"kid": str(key.id)})
    now = int(clock.now().timestamp())
    claims = {
        "iss": "voipbin-mesh", "aud": "voipbin-api", "sub": str(agent), "iat": now, "exp": now + 9
    }  # fmt: skip
    header = {"alg": "Ed25519", "kid": str(key.id), "typ": "JWT"}
    token = jwt.encode(header, claims, signing, algorithms=["Ed25519"])

    assert Tokens([key], clock).read(token) == Bearer(agent, 0)


@pytest.mark.parametrize(
    "claims", [{"iss": "x"}, {"aud": "x"}, {"sub": "x"}, {"gen": "x"}, {"cus": 1}, {"exp": "x"}]
)
def test_claims_that_we_never_write_are_refused_even_when_signed(
    clock: FakeClock, claims: dict[str, Any]
) -> None:
    key = a_key(clock)
    signing = OKPKey.import_key(key.private_der, {"kid": str(key.id)})
    good = Tokens([key], clock).sign(Bearer(new_id(), 0))
    stated = json.loads(base64.urlsafe_b64decode(good.split(".")[1] + "=="))
    header = {"alg": "Ed25519", "kid": str(key.id), "typ": "JWT"}
    token = jwt.encode(header, {**stated, **claims}, signing, algorithms=["Ed25519"])

    assert Tokens([key], clock).read(token) is None


def test_another_installations_token_is_refused(clock: FakeClock) -> None:
    token = Tokens([a_key(clock)], clock).sign(Bearer(new_id(), 0))

    assert Tokens([a_key(clock)], clock).read(token) is None


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none", "typ": "JWT"},
        {"alg": "HS256", "typ": "JWT"},
        {"alg": "Ed25519", "typ": "JWT", "kid": "../../etc/passwd"},
    ],
)
def test_a_changed_header_is_refused(clock: FakeClock, header: dict[str, Any]) -> None:
    tokens = Tokens([a_key(clock)], clock)
    _, claims, signature = tokens.sign(Bearer(new_id(), 0)).split(".")

    assert tokens.read(f"{part(header)}.{claims}.{signature}") is None
    assert tokens.read(f"{part(header)}.{claims}.") is None


def test_changed_claims_are_refused(clock: FakeClock) -> None:
    tokens = Tokens([a_key(clock)], clock)
    header, _, signature = tokens.sign(Bearer(new_id(), 0)).split(".")

    assert tokens.read(f"{header}.{part({'sub': str(new_id())})}.{signature}") is None


@pytest.mark.parametrize("text", ["", "x", "a.b", "a.b.c", "\x00", "é.é.é", "." * 5000, "a" * 9000])
def test_what_is_no_token_is_refused(clock: FakeClock, text: str) -> None:
    assert Tokens([a_key(clock)], clock).read(text) is None


@pytest.mark.parametrize("name", ["alg", "kid", "typ", "crit", "b64", "jwk", "enc", "zip"])
@pytest.mark.parametrize("value", [None, 1, True, [], ["x"], {}, "x"])
def test_a_header_of_any_shape_makes_a_token_worth_nothing_and_no_more(
    clock: FakeClock, name: str, value: object
) -> None:
    tokens = Tokens([a_key(clock)], clock)
    header, claims, signature = tokens.sign(Bearer(new_id(), 0)).split(".")
    stated = json.loads(base64.urlsafe_b64decode(header + "=="))
    assert tokens.read(".".join((part({**stated, name: value}), claims, signature))) is None


def test_no_key_is_shown_by_mistake(clock: FakeClock) -> None:
    key = a_key(clock)
    shown = repr(key) + repr(SigningKey(**asdict(key)))
    assert str(key.id) in shown
    assert "private_der" not in shown
    assert repr(key.private_der)[2:20] not in shown
