"""Where the mesh means to answer otherwise than its referee, and why.

docs/compatibility.md lists the same; `python -m tests.referee.differences` prints its table.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from tests.referee.house import EVERYBODY, NOBODY

PROVIDERS: Final = "/v1.0/providers"
ONE: Final = "/v1.0/providers/<provider>"
NO_ROUTE: Final = {"customer_id": EVERYBODY, "provider_id": NOBODY, "target": "all"}


@dataclass(frozen=True)
class Difference:
    """One request and what both make of it: a status, and a reason where there is one."""

    method: str
    path: str
    ours: str
    envoys: str
    body: Any = None
    role: str = "admin"
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def label(self) -> str:
        """The request in a few words."""
        body = self.body.decode() if isinstance(self.body, bytes) else json.dumps(self.body)
        told = "" if self.body is None else f" {shortened(body, 60)}"
        who = {"": ", anonymous", "customer_admin": ", as a customer"}.get(self.role, "")
        sent = "".join(f", {name}: {value}" for name, value in self.headers)
        return f"{self.method} {shortened(self.path, 90)}{told}{who}{sent}"


def shortened(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[:length]}…"


def get(path: str, ours: str, envoys: str, **more: Any) -> Difference:
    return Difference("GET", path, ours, envoys, **more)


def post(path: str, body: Any, ours: str, envoys: str, **more: Any) -> Difference:
    return Difference("POST", path, ours, envoys, body=body, **more)


UNKNOWN: Final = "400 INVALID_REQUEST_PARAMETER"
DIFFERENCES: Final[dict[str, list[Difference]]] = {
    "HTTP statuses are VoIPBIN's: FAILED_PRECONDITION is 409, and a reason may state another": [
        Difference("DELETE", f"{ONE}?if_unused=true", "409 PROVIDER_IN_USE", "400 PROVIDER_IN_USE"),
        Difference(
            "DELETE", "/v1.0/agents/<agent>", "409 LAST_SUPER_ADMIN", "400 LAST_SUPER_ADMIN"
        ),
        post(
            "/v1.0/providers/setup",
            {"carrier": "telnyx", "name": "t", "credentials": {"api_key": "wrong"}},
            "422 CARRIER_CREDENTIALS_REJECTED",
            "400 CARRIER_CREDENTIALS_REJECTED",
        ),
    ],
    "Failures of signing in and of delegating have an empty body, with VoIPBIN's statuses": [
        post("/auth/login", {"username": "x", "password": "y"}, "400 empty", "400 LOGIN_FAILED"),
        post(
            "/auth/delegate",
            {"customer_id": "x", "reason": "0123456789"},
            "422 empty",
            "400 DELEGATE_REQUEST_INVALID",
        ),
        post(
            "/auth/delegate",
            {"customer_id": NOBODY, "reason": "0123456789"},
            "404 empty",
            "404 CUSTOMER_NOT_FOUND",
        ),
    ],
    "A path that is served says so, for every method": [
        Difference("HEAD", PROVIDERS, "200", "404 empty"),
        Difference("OPTIONS", PROVIDERS, "204", "404 text"),
        Difference("PATCH", PROVIDERS, "405 METHOD_NOT_ALLOWED", "404 text"),
        Difference("DELETE", PROVIDERS, "405 METHOD_NOT_ALLOWED", "404 text"),
        post(ONE, None, "405 METHOD_NOT_ALLOWED", "404 text"),
        get("/auth/login", "405 METHOD_NOT_ALLOWED", "404 text"),
    ],
    "Some paths are REST's own": [
        get("/v1/providers", "200", "404 text"),
        get("/ping", "200", "404 text"),
        get("/openapi.json", "200", "404 text"),
    ],
    "Every way to write a segment is the same segment; an empty one is none (RFC 3986 6.2.2)": [
        get("/v1.0/provider%73/<provider>", "200", "404 text"),
        get("/v1.0/providers/", "404 ROUTE_NOT_FOUND", "200"),
        get("/v1.0/providers/<provider>/", "404 ROUTE_NOT_FOUND", "200"),
    ],
    "What cannot be decoded names nothing, and no text holds NUL": [
        get("/v1.0/calls/%ZZ", "404 ROUTE_NOT_FOUND", "400 INVALID_ID"),
        get("/v1.0/calls/%FF", "404 ROUTE_NOT_FOUND", "400 INVALID_ARGUMENT"),
        get("/v1.0/calls/%00", UNKNOWN, "400 INVALID_ARGUMENT"),
        get(f"{PROVIDERS}?page_token=%FF", UNKNOWN, "400 INVALID_ARGUMENT"),
        get(f"{PROVIDERS}?page_token=%00", UNKNOWN, "400 INVALID_ARGUMENT"),
    ],
    "An id in a path is always one, and an id that is said is not empty": [
        get(f"/v1.0/calls/{EVERYBODY[:-1]}0", "400 INVALID_ID", "400 INVALID_ARGUMENT"),
        get("/v1.0/calls?provider_id=", "400 INVALID_ID", "200"),
    ],
    "What is said in a query is a parameter over REST, and a field over gRPC": [
        get("/v1.0/rates/quote", "400 MISSING_REQUEST_PARAMETER", "400 INVALID_ARGUMENT"),
        post("/v1.0/audio_files?name=" + "n" * 256, b"RIFF", UNKNOWN, "400 INVALID_ARGUMENT"),
    ],
    "Nothing in a query is passed over or said twice, and `+` is a space": [
        get(f"{PROVIDERS}?page_size", UNKNOWN, "200"),
        get(f"{PROVIDERS}?=1", UNKNOWN, "200"),
        get(f"{PROVIDERS}?page_size=1&page_size=2", UNKNOWN, "200"),
        get(f"{ONE}?id=x", UNKNOWN, "400 INVALID_ID"),
        get("/v1.0/calls?created_after=2026-01-01T00:00:00+02:00", UNKNOWN, "200"),
        post(f"{PROVIDERS}?name=x", {}, UNKNOWN, "400 INVALID_HOSTNAME"),
    ],
    "Names and words are those of the documentation alone": [
        get(f"{PROVIDERS}?pageSize=1", UNKNOWN, "200"),
        get("/v1.0/calls?created_after.seconds=5", UNKNOWN, "200"),
        get("/v1.0/calls?status=CALL_STATUS_HANGUP", UNKNOWN, "200"),
        get(f"{PROVIDERS}?page_size=%2B5", UNKNOWN, "200"),
        get("/v1.0/calls?created_after=2026-06-30T23:59:60Z", UNKNOWN, "200"),
        Difference(
            "DELETE",
            f"{PROVIDERS}/<nobody>?if_unused=True",
            UNKNOWN,
            "404 PROVIDER_NOT_FOUND",
        ),
        post(PROVIDERS, {"techPrefix": "9"}, "400 INVALID_ARGUMENT", "400 INVALID_HOSTNAME"),
        post(
            PROVIDERS, {"type": "PROVIDER_TYPE_SIP"}, "400 INVALID_ARGUMENT", "400 INVALID_HOSTNAME"
        ),
        post(PROVIDERS, {"type": 1}, "400 INVALID_ARGUMENT", "400 INVALID_HOSTNAME"),
    ],
    "No field of a body is passed over, said twice, or one that is not the client's to set": [
        post(PROVIDERS, {"colour": 1}, "400 INVALID_ARGUMENT", "400 INVALID_HOSTNAME"),
        post(PROVIDERS, {"customer_id": "x"}, "400 INVALID_ARGUMENT", "400 INVALID_HOSTNAME"),
        post(
            PROVIDERS,
            b'{"hostname":"","hostname":""}',
            "400 INVALID_JSON_BODY",
            "400 INVALID_HOSTNAME",
        ),
        Difference("PUT", ONE, "400 INVALID_ARGUMENT", "400 INVALID_ID", body={"id": "x"}),
        post(f"{ONE}/lint", {"name": "x"}, "400 INVALID_ARGUMENT", "200"),
        post("/v1.0/activeflows/<activeflow>/stop", {"x": 1}, "400 INVALID_ARGUMENT", "200"),
        get(ONE, "400 INVALID_ARGUMENT", "200", body={"x": 1}),
        Difference(
            "DELETE",
            "/v1.0/routes/<nobody>",
            "400 INVALID_ARGUMENT",
            "404 ROUTE_NOT_FOUND",
            body={"x": 1},
        ),
    ],
    "JSON is JSON, and a value is of its own type": [
        post(PROVIDERS, b"{'hostname':''}", "400 INVALID_JSON_BODY", "400 INVALID_HOSTNAME"),
        post(PROVIDERS, b'{"hostname":"",}', "400 INVALID_JSON_BODY", "400 INVALID_HOSTNAME"),
        post(PROVIDERS, b'{hostname:""}', "400 INVALID_JSON_BODY", "400 INVALID_HOSTNAME"),
        post(
            "/v1.0/routes",
            {**NO_ROUTE, "priority": "5"},
            "400 INVALID_ARGUMENT",
            "404 PROVIDER_NOT_FOUND",
        ),
        post(PROVIDERS, {"secret_headers": "a"}, "400 INVALID_ARGUMENT", "400 INVALID_HOSTNAME"),
        post(PROVIDERS, {"secret_headers": [None]}, "400 INVALID_ARGUMENT", "400 INVALID_HOSTNAME"),
        post(
            PROVIDERS,
            b'{"hostname":' + b"[" * 40 + b"]" * 40 + b"}",
            "400 INVALID_JSON_BODY",
            "400 text",
        ),
    ],
    "An update says nothing: over REST it changes nothing, over gRPC its mask must name a field": [
        Difference("PUT", ONE, "200", "400 INVALID_ARGUMENT", body={}),
        Difference("PUT", ONE, "200", "400 INVALID_ARGUMENT", body={"name": None}),
    ],
    "A mask or a key is a header or the body's keys, never a field": [
        Difference(
            "PUT",
            ONE,
            "400 INVALID_ARGUMENT",
            "400 INVALID_ARGUMENT",
            body={"update_mask": "name"},
        ),
        post(
            "/v1.0/providercalls",
            {"idempotency_key": "k"},
            "400 INVALID_ARGUMENT",
            "400 INVALID_ARGUMENT",
        ),
    ],
    "Who asks is settled before what is asked is read": [
        post(PROVIDERS, b"{", "401 AUTHENTICATION_REQUIRED", "400 text", role=""),
        post(PROVIDERS, b"{", "403 PERMISSION_DENIED", "400 text", role="customer_admin"),
        get(f"{PROVIDERS}?colour=red", "401 AUTHENTICATION_REQUIRED", "400 text", role=""),
    ],
    "Credentials may also come in the query and in cookies, and are taken out of them": [
        get(f"{PROVIDERS}?token=x", "401 INVALID_CREDENTIALS", "400 text"),
        get(
            PROVIDERS,
            "401 INVALID_CREDENTIALS",
            "401 AUTHENTICATION_REQUIRED",
            role="",
            headers=(("cookie", "token=x"),),
        ),
    ],
    "A body says that it is JSON, is plain, and has 256 KiB at most": [
        post(
            PROVIDERS,
            b'{"hostname":""}',
            "415 UNSUPPORTED_MEDIA_TYPE",
            "400 INVALID_HOSTNAME",
            headers=(("content-type", "text/plain"),),
        ),
        post(
            PROVIDERS,
            b'{"hostname":""}',
            "415 UNSUPPORTED_MEDIA_TYPE",
            "400 INVALID_HOSTNAME",
            headers=(("content-encoding", "gzip"),),
        ),
        post(
            PROVIDERS,
            b'{"hostname":"' + b"x" * 300_000 + b'"}',
            "413 BODY_TOO_LARGE",
            "400 INVALID_HOSTNAME",
        ),
    ],
}


def table() -> Iterator[str]:
    """Iterate over the lines of the table in docs/compatibility.md."""
    for why, differences in DIFFERENCES.items():
        yield f"**{why}.**"
        yield ""
        yield "| Request | Here | Envoy |"
        yield "|---|---|---|"
        for one in differences:
            request = one.label.replace("|", "\\|").replace("`", "'")
            yield f"| `{request}` | {one.ours} | {one.envoys} |"
        yield ""


if __name__ == "__main__":
    print("\n".join(table()))  # noqa: T201
