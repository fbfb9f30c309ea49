"""What the simulated carrier does with a call: the last two digits of the number decide."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import unquote

RING_S: Final = 0.2
"""How long a phone rings that picks up without being told when."""
RING_MAX_S: Final = 300.0
"""When a phone that nobody answers and no caller gives up on stops ringing."""
CALL_MAX_S: Final = 7200.0
"""When a call ends whose caller has vanished."""

_LAST_TWO_DIGITS: Final = re.compile(r"([0-9][0-9])[^0-9]*\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of one INVITE."""

    meaning: str
    """In words, for the reader of the events."""
    status: int = 200
    """The final answer (RFC 3261 section 21)."""
    provisional: int = 0
    """What is sent before it: 180, 183 with SDP, or 0 for nothing but 100."""
    delay_s: float = 0.0
    """Seconds between the provisional and the final answer."""
    challenge: int = 0
    """401 or 407 when the caller must first prove who it is (section 22), else 0."""
    hang_up_after_s: float = CALL_MAX_S
    """Seconds between the caller's ACK and our BYE, if the caller's does not come first."""
    silent: bool = False
    """Whether nothing at all is answered."""


ANSWERS: Final = Outcome("rings 0.2 s, then answers", provisional=180, delay_s=RING_S)


def _special() -> dict[str, Outcome]:
    return {
        "01": Outcome("is busy", 486),
        "02": Outcome("the carrier is unavailable", 503),
        "03": Outcome("rings until the caller gives up", 480, provisional=180, delay_s=RING_MAX_S),
        "04": Outcome("is silent", silent=True),
        "05": replace(ANSWERS, meaning="asks who is calling with 401, then answers", challenge=401),
        "06": Outcome("does not exist", 404),
        "07": replace(ANSWERS, meaning="rings 0.2 s, then declines", status=603),
        "08": replace(ANSWERS, meaning="asks who is calling with 407, then answers", challenge=407),
        "09": replace(ANSWERS, meaning="answers, hangs up after 2 s", hang_up_after_s=2.0),
    }


def _timed() -> dict[str, Outcome]:
    table = {"10": Outcome("answers at once"), "20": _hanging_up(0), "30": _early(0)}
    for n in range(1, 10):
        table[f"1{n}"] = Outcome(f"rings {n} s, then answers", provisional=180, delay_s=n)
        table[f"2{n}"] = _hanging_up(n)
        table[f"3{n}"] = _early(n)
    return table


def _hanging_up(seconds: int) -> Outcome:
    meaning = f"answers, hangs up after {seconds} s"
    return replace(ANSWERS, meaning=meaning, hang_up_after_s=seconds)


def _early(seconds: int) -> Outcome:
    meaning = f"sends early media for {seconds} s, then answers"
    return Outcome(meaning, provisional=183, delay_s=seconds)


OUTCOMES: Final[Mapping[str, Outcome]] = {**_special(), **_timed()}
"""By the number's last two digits; every other number `ANSWERS`."""


def number_of(uri: str) -> str:
    """Return the user part of a Request-URI, as dialled; a `tel` URI's number (RFC 3966)."""
    scheme, _, rest = uri.partition(":")
    if scheme.lower() == "tel":
        return unquote(rest.partition(";")[0])
    user, at, _ = rest.rpartition("@")
    return unquote(user.partition(";")[0]) if at else ""


def outcome_of(number: str) -> Outcome:
    """Decide by the last two digits, so that a carrier's prefix changes nothing."""
    found = _LAST_TWO_DIGITS.search(number)
    return ANSWERS if found is None else OUTCOMES.get(found[1], ANSWERS)
