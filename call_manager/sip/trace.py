"""What the wire record needs of a datagram before anything parses it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from call_manager.sip.message import Headers
from mesh.masking import SHORT, SHOWN, mask_secret, names_a_secret

# Anybody may send a datagram, so each pattern takes time in proportion to its length: no two
# repetitions next to each other match the same octet. A Call-ID holds no white space (25.1).
_CALL_ID: Final = re.compile(rb"(?im)^(?:call-id|i)[ \t]*:[ \t]*([^\s]{1,512})[ \t]*\r?$")
_CSEQ_METHOD: Final = re.compile(rb"(?im)^cseq[ \t]*:[ \t]*\d{1,10}[ \t]+([A-Za-z]{1,32})")
_BRANCH: Final = re.compile(rb"(?i)branch[ \t]*=[ \t]*([^;,\s]{1,256})")
_STATUS: Final = re.compile(rb"SIP/2\.0 (\d{3})\b")
_REQUEST: Final = re.compile(rb"([A-Za-z]{1,32}) \S")
_END_OF_HEADERS: Final = re.compile(rb"\r?\n\r?\n")
# Name, colon, value; a line that begins with white space continues the one before (7.3.1).
_HEADER: Final = re.compile(rb"(?m)^([!-9;-~]{1,256})([ \t]*:[ \t]*)([^\n]*(?:\n[ \t][^\n]*)*)")
_NAME_MAX: Final = 64  # Longer ones are looked at more closely, and not remembered.
_DIGEST: Final = re.compile(rb"(?i)(\bresponse[ \t]*=[ \t]*)(\"[^\"]*\"|[^\s,;\"]+)")
_SHOWN_AGAIN: Final = re.compile(
    rb"(?im)^[ \t]*(?:proxy-)?authorization[ \t]*:[^\n]*(?:\n[ \t][^\n]*)*"
)


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


@dataclass(frozen=True, slots=True)
class Redaction:
    """What a record of messages must not hold.

    Secret headers are those in `names` and those whose names say so; their values are replaced by
    their masks, whoever sent them. The digests of Authorization headers, and `values` wherever a
    peer repeats them, are starred out at their length.
    """

    names: frozenset[str] = frozenset()
    """In lower case."""
    values: tuple[bytes, ...] = field(default=(), repr=False)

    @classmethod
    def for_headers(cls, headers: Headers, names: frozenset[str]) -> Redaction:
        """Return the redaction for a leg that sends these headers, some of which are secret.

        A value that is too short to be shown in part is hidden where it belongs only: it may
        stand elsewhere by chance.
        """
        secret = {
            value.encode("utf-8")
            for name, value in headers
            if name.lower() in names and len(value) >= SHORT
        }
        return cls(names, tuple(sorted(secret, key=len, reverse=True)))

    def of(self, raw: bytes) -> bytes:
        """Return the datagram as it may be kept."""
        head = _head(raw)
        if len(head) < len(raw):
            # Carriers show what they refuse in a body (message/sipfrag, RFC 3420).
            raw = head + _SHOWN_AGAIN.sub(_digests_starred, raw[len(head) :])
        if not self.names and not self.values:
            lines = head.split(b"\n")
            if not any(_may_be_secret(line.partition(b":")[0]) for line in lines):
                return raw
        kept = _HEADER.sub(self._header, head) + raw[len(head) :]
        for value in self.values:
            kept = kept.replace(value, b"*" * (len(value) - SHOWN) + value[-SHOWN:])
        return kept

    def _header(self, header: re.Match[bytes]) -> bytes:
        name = header[1].decode("ascii").lower()
        if name in ("authorization", "proxy-authorization"):
            return _DIGEST.sub(_star, header[0])
        if name in self.names or names_a_secret(name):
            value = header[3].decode("utf-8", "surrogateescape").strip()
            mask = mask_secret(value).encode("utf-8", "surrogateescape")
            return header[1] + header[2] + mask + (b"\r" if header[3].endswith(b"\r") else b"")
        return header[0]


def _may_be_secret(start: bytes) -> bool:
    """Tell whether a line that starts so, up to its colon, may be a secret header's."""
    return len(start) > _NAME_MAX or _is_telling(start)


@lru_cache(maxsize=512)
def _is_telling(start: bytes) -> bool:
    return names_a_secret(start.decode("latin-1"))


def _digests_starred(header: re.Match[bytes]) -> bytes:
    return _DIGEST.sub(_star, header[0])


def _star(digest: re.Match[bytes]) -> bytes:
    value = digest[2]
    inner = len(value) - 2 if value.startswith(b'"') else len(value)
    stars = b"*" * inner
    return digest[1] + (b'"' + stars + b'"' if value.startswith(b'"') else stars)


def _head(raw: bytes) -> bytes:
    """Everything before the empty line; line ends that come first are no such line (7.5)."""
    start = len(raw) - len(raw.lstrip(b"\r\n"))
    # A search for what may stand there costs four times a look for what does.
    end = raw.find(b"\n\r\n", start)
    if end > start and raw[end - 1 : end] == b"\r" and raw.find(b"\n\n", start, end) == -1:
        return raw[: end - 1]
    found = _END_OF_HEADERS.search(raw, start)
    return raw if found is None else raw[: found.start()]
