"""When a call goes on to the next carrier (pure; CONTRACT.md section 3.4).

The carrier's final answer decides: by the platform's table, which goes by the answer's cause, or by
the list that an administrator wrote for the carrier, which replaces that table whole. Nothing of
our own does: after a timer of ours, silence or a crash the callee's phone may be ringing already.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from call_manager.call.domain import AddressType, Call
from call_manager.call.hangup import TABLED_CODES, Cause, cause_of_sip
from call_manager.channel import Ended, EndedBy, MediaFailure
from call_manager.metadata import ROUTE_PROVIDER_IDS
from mesh.sip_codes import CodeSet

UNREACHABLE: Final = "unreachable"
"""In a list: a carrier that nothing could be sent to."""

NONE: Final = "none"
"""In a list, alone: never."""

FIRST_CODE: Final = 300
"""The lowest final status that is no answer."""

STOPPING_CAUSES: Final = frozenset(
    {
        Cause.NORMAL,
        Cause.BUSY,
        Cause.NO_ANSWER,
        Cause.REJECTED,
        Cause.ANSWERED_ELSEWHERE,
        Cause.DURATION_LIMIT,
        Cause.MACHINE,
    }
)
"""What says who was called, or that we may not call: no other carrier would make it better."""

_CLASSES: Final = (3, 4, 5, 6)


@dataclass(frozen=True, slots=True)
class Policy:
    """After what a carrier's calls go on; `PLATFORM` unless the carrier has a list of its own."""

    codes: CodeSet | None = None
    """None: by the platform's table."""
    unreachable: bool = True

    @classmethod
    def of(cls, elements: Sequence[str]) -> Policy:
        """Read a carrier's `failover_codes`; raises ValueError, with a sentence."""
        if not elements:
            return PLATFORM
        if NONE in elements:
            if len(elements) > 1:
                raise ValueError(f"{NONE!r} stands alone.")
            return cls(CodeSet.parse((), first=FIRST_CODE), unreachable=False)
        codes = [element for element in elements if element != UNREACHABLE]
        if len(codes) < len(elements) - 1:
            raise ValueError(f"{UNREACHABLE!r} is there twice.")
        listed = CodeSet.parse(codes, first=FIRST_CODE)
        return cls(listed, unreachable=len(codes) < len(elements))

    def after(self, code: int) -> bool:
        """Tell whether a call goes on after this final status, 300 to 699."""
        if self.codes is not None:
            return code in self.codes
        return cause_of_sip(code) not in STOPPING_CAUSES


PLATFORM: Final = Policy()
"""The platform's table."""


@dataclass(frozen=True, slots=True)
class Row:
    """What one answer, or the rest of a class of answers, does to a call."""

    code: str
    """`503`; `5xx` for every code of the class that has no row of its own; `unreachable`."""
    cause: int
    fails_over: bool


def table(policy: Policy) -> tuple[Row, ...]:
    """Return a policy as rows, codes before the rest of their class; at most 400 of them."""
    own = policy.codes.codes if policy.codes is not None else frozenset()
    rows: list[Row] = []
    for first in _CLASSES:
        codes = sorted(code for code in TABLED_CODES | own if code // 100 == first)
        rows += (Row(str(code), cause_of_sip(code), policy.after(code)) for code in codes)
        # Any code of the class without a row stands for all of them.
        rest = next(code for code in range(first * 100, first * 100 + 100) if code not in codes)
        rows.append(Row(f"{first}xx", cause_of_sip(rest), policy.after(rest)))
    unreachable = Row(UNREACHABLE, int(Cause.TEMPORARY_FAILURE), policy.unreachable)
    return (*rows, unreachable)


def may_fail_over(call: Call) -> bool:
    """Tell whether a call may go on to another carrier at all.

    A number is what several carriers can reach; and a provider call tests the carrier it names.
    """
    to_number = call.destination.type is AddressType.TEL
    return to_number and ROUTE_PROVIDER_IDS.name not in call.metadata


def goes_on_by(ended: Ended, policy: Policy) -> str:
    """Return what a call whose leg ended so goes on after: a code, or `unreachable`; empty: ends.

    The caller answers for the rest: that the leg did not end by our own will, and that no defect
    of ours kept the INVITE from being recorded.
    """
    if ended.media is not MediaFailure.NONE:
        # The callee had answered.
        return ""
    if ended.by is EndedBy.REMOTE and ended.code is not None and ended.code >= FIRST_CODE:
        return str(ended.code) if policy.after(ended.code) else ""
    if ended.by is EndedBy.ERROR and ended.code is None and not ended.reached:
        return UNREACHABLE if policy.unreachable else ""
    return ""
