"""What a carrier's own words may become, and what is never among them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from route_manager.carrier.http import WORDS_MAX, CarrierHttp

KEY = SecretStr("KEY0190_canary")
ACCOUNT = CarrierHttp("https://api.carrier.example", KEY, timeout_s=1.0)


async def test_a_carrier_that_repeats_the_key_does_not_make_us_tell_it() -> None:
    async with CarrierHttp("https://api.carrier.example", KEY, timeout_s=1.0) as http:
        http.hide(SecretStr("hunter2hunter2"))
        said = http.words(["Bad key KEY0190_canary", "", "and hunter2hunter2"])
        assert said == "Bad key **** and ****"
        assert http.words(["Bad key KEY0190\u200b_can\x00ary"]) == "Bad key ****"
        assert "canary" not in f"{http!r} {vars(http)}"


@given(st.lists(st.text(max_size=400), max_size=4))
def test_words_are_short_and_printable(texts: list[str]) -> None:
    said = ACCOUNT.words(texts)
    assert len(said) <= WORDS_MAX
    assert said.isprintable()
    said.encode("utf-8")
