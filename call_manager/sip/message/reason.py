"""The `Reason` header: why a call ended, in the words of the telephone network (RFC 3326)."""

from __future__ import annotations

import re
from typing import Final

from call_manager.channel import Q850
from call_manager.sip.message.fields import split_list
from call_manager.sip.message.wire import Message, presentable

CAUSE_MAX: Final = 127  # ITU-T Q.850 has seven bits for it.
REASONS_MAX: Final = 16  # Values of one message that are looked at.

_CAUSE: Final = re.compile(r"(?i);[ \t]*cause[ \t]*=[ \t]*(\d{1,3})(?![\d.])")
_TEXT: Final = re.compile(r'(?i);[ \t]*text[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))')
_ESCAPED: Final = re.compile(r"\\(.)")


def q850_of(message: Message) -> Q850 | None:
    """Return the first Q.850 cause of a message's `Reason` headers; None when there is none."""
    for value in message.values("Reason")[:REASONS_MAX]:
        for part in split_list(value)[:REASONS_MAX]:
            protocol, _, _ = part.partition(";")
            # A quoted text may hold anything, also what looks like a parameter.
            text = _TEXT.search(part)
            rest = part if text is None else part[: text.start()] + part[text.end() :]
            cause = _CAUSE.search(rest)
            known = protocol.strip(" \t").upper() == "Q.850" and cause is not None
            if known and cause is not None and int(cause[1]) <= CAUSE_MAX:
                return Q850(int(cause[1]), _words(text))
    return None


def write_reason(reason: Q850) -> tuple[str, str]:
    """Write the header for a CANCEL or BYE of ours; `reason.text` is one of our own."""
    return "Reason", f'Q.850;cause={reason.cause};text="{reason.text}"'


def _words(text: re.Match[str] | None) -> str:
    if text is None:
        return ""
    return presentable(text[2] if text[1] is None else _ESCAPED.sub(r"\1", text[1]))
