"""The credentials of an HTTP request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import unquote_plus

from api_gateway.door.credentials import ACCESS_KEY_HEADER, Credentials, bearer

__all__ = ["CREDENTIAL_PARAMETERS", "Credentials", "read_credentials"]

TOKEN_PARAMETER: Final = "token"  # noqa: S105  (a name, not a secret)
"""The cookie and the query parameter that carry a bearer token."""

ACCESS_KEY_PARAMETER: Final = "accesskey"
"""The cookie and the query parameter that carry an access key."""

CREDENTIAL_PARAMETERS: Final = frozenset({TOKEN_PARAMETER, ACCESS_KEY_PARAMETER})
"""Query parameters that nothing but authentication may see."""


_READING: Final = frozenset({"GET", "HEAD"})
_FETCH_SITE: Final = "sec-fetch-site"
"""Where browsers say whose page makes them ask (W3C Fetch Metadata); nobody else sends it."""
_OTHER_SITES: Final = frozenset({"same-site", "cross-site"})


def read_credentials(method: str, headers: Mapping[str, str], query: str) -> Credentials:
    """Find the credentials of a request, at most one of each kind.

    A bearer token is looked for in the cookie `token`, then `?token=`, then `Authorization:
    Bearer`; an access key in the cookie `accesskey`, then `?accesskey=` (contract section 1.2),
    then in the header `X-Api-Key`. `headers` have lower-case names; `query` is the raw query
    string.

    Cookies that another origin's page made a browser send do not count where they could change
    something: SameSite lets the pages of a sibling domain through, and a form needs no preflight.
    """
    forged = method not in _READING and headers.get(_FETCH_SITE) in _OTHER_SITES
    cookies = {} if forged else _first(_pairs(headers.get("cookie", ""), ";"))
    parameters = {name: unquote_plus(value) for name, value in _first(_pairs(query, "&")).items()}
    return Credentials(
        token=cookies.get(TOKEN_PARAMETER)
        or parameters.get(TOKEN_PARAMETER)
        or bearer(headers.get("authorization", "")),
        access_key=cookies.get(ACCESS_KEY_PARAMETER)
        or parameters.get(ACCESS_KEY_PARAMETER)
        or headers.get(ACCESS_KEY_HEADER, "").strip(),
    )


def _pairs(text: str, separator: str) -> Iterable[tuple[str, str]]:
    for part in text.split(separator) if text else ():
        name, _, value = part.strip().partition("=")
        if name in CREDENTIAL_PARAMETERS:
            yield name, value.strip('"')


def _first(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in pairs:
        found.setdefault(name, value)
    return found
