"""Where credentials are looked for, and in which order (contract section 1.2)."""

import pytest

from api_gateway.transcoder.auth import Credentials, read_credentials


@pytest.mark.parametrize(
    ("headers", "query", "expected"),
    [
        ({}, "", Credentials()),
        ({"authorization": "Bearer b"}, "", Credentials(token="b")),
        ({"authorization": "bearer  b "}, "", Credentials(token="b")),
        ({"authorization": "Basic b"}, "", Credentials()),
        ({"authorization": "Bearer"}, "", Credentials()),
        ({}, "a=1&token=q&token=r", Credentials(token="q")),
        ({}, "token=a%2Bb+c", Credentials(token="a+b c")),
        ({"cookie": "x=1; token=c"}, "", Credentials(token="c")),
        ({"cookie": 'token="c"'}, "", Credentials(token="c")),
        ({"cookie": "mytoken=c"}, "", Credentials()),
        ({"cookie": "token=c", "authorization": "Bearer b"}, "token=q", Credentials(token="c")),
        ({"authorization": "Bearer b"}, "token=q", Credentials(token="q")),
        ({"cookie": "token=", "authorization": "Bearer b"}, "token=", Credentials(token="b")),
        ({}, "accesskey=k", Credentials(access_key="k")),
        ({"cookie": "accesskey=c"}, "accesskey=q", Credentials(access_key="c")),
        ({"cookie": "accesskey=c"}, "token=q", Credentials(token="q", access_key="c")),
        ({"accesskey": "k"}, "", Credentials()),
        ({"x-api-key": " k "}, "", Credentials(access_key="k")),
        ({"x-api-key": "k"}, "accesskey=q", Credentials(access_key="q")),
        ({"x-api-key": "k", "authorization": "Bearer b"}, "", Credentials("b", "k")),
    ],
)
def test_the_first_place_that_has_one_counts(
    headers: dict[str, str], query: str, expected: Credentials
) -> None:
    assert read_credentials("POST", headers, query) == expected


@pytest.mark.parametrize("site", ["same-site", "cross-site"])
def test_another_sites_page_changes_nothing_by_a_cookie(site: str) -> None:
    headers = {"cookie": "token=c; accesskey=d", "sec-fetch-site": site}
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert read_credentials(method, headers, "") == Credentials()
    explicit = {**headers, "authorization": "Bearer b"}
    assert read_credentials("POST", explicit, "") == Credentials("b")
    assert read_credentials("GET", headers, "") == Credentials("c", "d")
    for own in ("same-origin", "none"):
        said = {**headers, "sec-fetch-site": own}
        assert read_credentials("POST", said, "") == Credentials("c", "d")


def test_credentials_do_not_tell_themselves() -> None:
    shown = f"{Credentials(token='swordfish', access_key='herring')!r}"
    assert "swordfish" not in shown
    assert "herring" not in shown
