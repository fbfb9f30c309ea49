"""Finds the rule that explains a call and writes its sentence (pure)."""

from __future__ import annotations

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
        "seconds": f"{evidence.answered_for_s:.0f}",
        "cause": "" if evidence.cause is None else f", Q.850 cause {evidence.cause}",
        "earlier": _earlier(evidence),
        "percent": f"{evidence.loss_pct:.1f}",
    }


def _earlier(evidence: Evidence) -> str:
    said = [str(code) if code else "nothing" for code in evidence.earlier_codes]
    return " and ".join(said)


def _clean(sentence: str) -> str:
    """Let what a carrier wrote into a sentence be one line of it, of bounded length."""
    line = " ".join(sentence.split())
    return line if len(line) <= SENTENCE_MAX else line[: SENTENCE_MAX - 1] + "…"


def _index(evidence: Evidence, shows: Shows) -> int | None:
    last = evidence.last
    if last is None or shows is Shows.NOTHING:
        return None
    wanted: dict[Shows, Callable[[MessageLabel], bool]] = {
        Shows.INVITE: lambda label: label.sent and label.method == "INVITE",
        Shows.FINAL: lambda label: not label.sent and label.method == f"{evidence.code} INVITE",
        Shows.CHALLENGE: lambda label: (
            not label.sent and label.method in {f"{code} INVITE" for code in CHALLENGES}
        ),
        Shows.CANCEL: lambda label: label.sent and label.method == "CANCEL",
        Shows.THEIR_BYE: lambda label: not label.sent and label.method == "BYE",
        Shows.OUR_BYE: lambda label: label.sent and label.method == "BYE",
    }
    # What came before the attempt belongs to an earlier one; a repeated message shows the same.
    return next(
        (
            index
            for index, label in enumerate(evidence.labels)
            if label.at >= last.tm_invite and wanted[shows](label)
        ),
        None,
    )
