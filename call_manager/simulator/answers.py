"""What the carrier's answers are made of: status lines of its own, and its usual headers."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from call_manager.sip.message import Headers, Request, Response
from call_manager.sip.requests import answer

PHRASES: Final = {  # RFC 3261 section 21, and the registry of status codes for the others.
    100: "Trying",
    180: "Ringing",
    181: "Call Is Being Forwarded",
    182: "Queued",
    183: "Session Progress",
    199: "Early Dialog Terminated",
    200: "OK",
    202: "Accepted",
    300: "Multiple Choices",
    301: "Moved Permanently",
    302: "Moved Temporarily",
    305: "Use Proxy",
    380: "Alternative Service",
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    407: "Proxy Authentication Required",
    408: "Request Timeout",
    410: "Gone",
    413: "Request Entity Too Large",
    414: "Request-URI Too Long",
    415: "Unsupported Media Type",
    416: "Unsupported URI Scheme",
    420: "Bad Extension",
    421: "Extension Required",
    422: "Session Interval Too Small",
    423: "Interval Too Brief",
    433: "Anonymity Disallowed",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    482: "Loop Detected",
    483: "Too Many Hops",
    484: "Address Incomplete",
    485: "Ambiguous",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    491: "Request Pending",
    493: "Undecipherable",
    500: "Server Internal Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Server Time-out",
    505: "Version Not Supported",
    513: "Message Too Large",
    600: "Busy Everywhere",
    603: "Decline",
    604: "Does Not Exist Anywhere",
    606: "Not Acceptable",
    607: "Unwanted",
    608: "Rejected",
}
_CLASSES: Final = {1: "Progress", 2: "OK", 3: "Redirection", 4: "Refused", 5: "Failure"}


def respond(
    request: Request, code: int, *, to_tag: str = "", extra: Headers = (), body: bytes = b""
) -> Response:
    """Build one of the carrier's responses (section 8.2.6.2)."""
    built = answer(request, 200, to_tag=to_tag, extra=extra, body=body)
    phrase = PHRASES.get(code) or _CLASSES.get(code // 100, "Global Failure")
    return replace(built, code=code, reason=phrase)


def worded(response: Response, reason: str) -> Response:
    """Give a response another reason phrase; none leaves its own."""
    return replace(response, reason=reason) if reason else response


def over(usual: Headers, given: dict[str, str]) -> Headers:
    """Add a script's headers to the usual ones, in whose place they stand."""
    named = {name.lower() for name in given}
    return (*((n, v) for n, v in usual if n.lower() not in named), *given.items())
