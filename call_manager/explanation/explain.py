"""Finds the rule that explains a call and writes its sentence (pure)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from call_manager.explanation.evidence import CHALLENGES, Evidence, MessageLabel
from call_manager.explanation.rule import Explanation, Rule, Shows
from call_manager.explanation.rules_answered import ANSWERED
from call_manager.explanation.rules_refused import REFUSED
from call_manager.explanation.rules_unplaced import UNPLACED

SENTENCE_MAX: Final = 500
"""The most characters of a sentence."""

RULES: Final[tuple[Rule, ...]] = (*UNPLACED, *ANSWERED, *REFUSED)
"""In the order in which they are asked; the last one applies to whatever is left."""

_WHY: Final = re.compile(
    r"^The (?:carrier(?: at \S+)? cannot be reached|message could not be sent): "
    r"|^The carrier at \S+ (?=did not answer)"
)
"""What a sentence that names the carrier need not say again."""


def explain(evidence: Evidence) -> Explanation:
    """Return what happened to a call that is over, by the first rule that applies."""
    rule = next(rule for rule in RULES if rule.applies(evidence))
    last = evidence.last
    return Explanation(
        rule=rule.name,
        sentence=_clean(rule.sentence.format(**_facts(evidence))),
        fix=rule.fix,
        attempt_id=None if last is None else last.id,
        message_index=_index(evidence, rule.shows),
    )


def _facts(evidence: Evidence) -> dict[str, object]:
    last = evidence.last
    return {
        "code": evidence.code,
        "reason": f" ({evidence.reason})" if evidence.reason else "",
        "address": last.remote_address if last is not None else "",
        "transport": last.transport.upper() if last is not None else "",
        "codec": last.codec if last is not None else "",
        "detail": evidence.detail.rstrip("."),
        "why": _WHY.sub("", evidence.detail).rstrip("."),
        "seconds": f"{evidence.answered_for_s:.0f}",
        "cause": "" if evidence.cause is None else f", Q.850 cause {evidence.cause}",
        "earlier": _earlier(evidence),
        "percent": f"{evidence.loss_pct:.1f}",
    }


def _earlier(evidence: Evidence) -> str:
    return ", ".join(str(code) if code else "unreachable" for code in evidence.earlier_codes)


def _clean(sentence: str) -> str:
    """Let what a carrier wrote into a sentence be one line of it, of bounded length."""
    line = " ".join(sentence.split())
    return line if len(line) <= SENTENCE_MAX else line[: SENTENCE_MAX - 1] + "…"


def _index(evidence: Evidence, shows: Shows) -> int | None:
    last = evidence.last
    if last is None or shows is Shows.NOTHING:
        return None
    wanted: dict[Shows, Callable[[MessageLabel], bool]] = {
        Shows.INVITE: _is_our_invite,
        Shows.FINAL: lambda label: not label.sent and label.method == f"{evidence.code} INVITE",
        Shows.CHALLENGE: lambda label: (
            not label.sent and label.method in {f"{code} INVITE" for code in CHALLENGES}
        ),
        Shows.CANCEL: lambda label: label.sent and label.method == "CANCEL",
        Shows.THEIR_BYE: lambda label: not label.sent and label.method == "BYE",
        Shows.OUR_BYE: lambda label: label.sent and label.method == "BYE",
    }
    # What came before the attempt's INVITE belongs to an earlier one, also what came in the very
    # moment in which this one was planned; a repeated message shows the same.
    since = _first(evidence, 0, lambda label: label.at >= last.tm_invite and _is_our_invite(label))
    return None if since is None else _first(evidence, since, wanted[shows])


def _is_our_invite(label: MessageLabel) -> bool:
    return label.sent and label.method == "INVITE"


def _first(evidence: Evidence, since: int, fits: Callable[[MessageLabel], bool]) -> int | None:
    labels = enumerate(evidence.labels[since:], since)
    return next((index for index, label in labels if fits(label)), None)
