"""What the wire record needs of a datagram before anything parses it."""

from __future__ import annotations

import re
from typing import Final

# Anybody may send a datagram, so each pattern takes time in proportion to its length: no two
# repetitions next to each other match the same octet. A Call-ID holds no white space (25.1).
_CALL_ID: Final = re.compile(rb"(?im)^(?:call-id|i)[ \t]*:[ \t]*([^\s]{1,512})[ \t]*\r?$")
_CSEQ_METHOD: Final = re.compile(rb"(?im)^cseq[ \t]*:[ \t]*\d{1,10}[ \t]+([A-Za-z]{1,32})")
_BRANCH: Final = re.compile(rb"(?i)branch[ \t]*=[ \t]*([^;,\s]{1,256})")
_STATUS: Final = re.compile(rb"SIP/2\.0 (\d{3})\b")
_REQUEST: Final = re.compile(rb"([A-Za-z]{1,32}) \S")
_END_OF_HEADERS: Final = re.compile(rb"\r?\n\r?\n")
_CREDENTIALS: Final = re.compile(rb"(?im)^(?:proxy-)?authorization[ \t]*:[^\n]*(?:\n[ \t][^\n]*)*")
_DIGEST: Final = re.compile(rb"(?i)(\bresponse[ \t]*=[ \t]*)(\"[^\"]*\"|[^\s,;\"]+)")


def call_id_of(raw: bytes) -> str:
    """Find the Call-ID of a datagram, however malformed the rest is; empty when there is none."""
    found = _CALL_ID.search(_head(raw))
    return found[1].decode("utf-8", "surrogateescape") if found else ""


def branch_of(raw: bytes) -> str:
    """Find the first branch of a datagram, possibly cut short; empty when there is none."""
    found = _BRANCH.search(_head(raw))
    return found[1].decode("latin-1") if found else ""


def label_of(raw: bytes) -> str:
    """Name a datagram: its method, or status code and CSeq method; `?` for neither."""
    raw = raw.lstrip(b"\r\n")
    if status := _STATUS.match(raw):
        method = _CSEQ_METHOD.search(_head(raw))
        return f"{status[1].decode()} {method[1].decode() if method else '?'}"
    request = _REQUEST.match(raw)
    return request[1].decode() if request else "?"


def redact(raw: bytes) -> bytes:
    """Star out the digests of Authorization headers, keeping every length as it was."""
    head = _head(raw)
    return _CREDENTIALS.sub(_star, head) + raw[len(head) :]


def _star(header: re.Match[bytes]) -> bytes:
    def hidden(digest: re.Match[bytes]) -> bytes:
        value = digest[2]
        inner = len(value) - 2 if value.startswith(b'"') else len(value)
        stars = b"*" * inner
        return digest[1] + (b'"' + stars + b'"' if value.startswith(b'"') else stars)

    return _DIGEST.sub(hidden, header[0])


def _head(raw: bytes) -> bytes:
    """Everything before the empty line; line ends that come first are no such line (7.5)."""
    found = _END_OF_HEADERS.search(raw, len(raw) - len(raw.lstrip(b"\r\n")))
    return raw if found is None else raw[: found.start()]
