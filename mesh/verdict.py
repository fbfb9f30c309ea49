"""A refusal that is kept: stored with what it refused, and given again in the same words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from grpc import StatusCode

from mesh.errors import FieldViolation, MeshError


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why something did not happen and never will."""

    code: StatusCode
    reason: str
    message: str
    facts: Mapping[str, str] = field(default_factory=dict)
    violations: tuple[FieldViolation, ...] = ()
    retry_after_s: float | None = None
    """After how long it may go otherwise, from when it was first said."""

    @classmethod
    def of(cls, error: MeshError) -> Verdict:
        """Return what a definite failure says; of our own defects the reader learns nothing."""
        code = error.to_status().code
        if code is StatusCode.INTERNAL:
            return cls(code, "INTERNAL", "internal error")
        return cls(
            code=code,
            reason=error.reason,
            message=storable(error.message),
            # The request's own id is not the next reader's.
            facts={k: storable(v) for k, v in error.metadata.items() if k != "request_id"},
            violations=tuple(
                FieldViolation(storable(one.field), storable(one.description))
                for one in error.violations
            ),
            retry_after_s=error.retry_after_s,
        )

    def to_plain(self) -> dict[str, Any]:
        """Return the verdict as JSON, for storage."""
        return {
            "code": self.code.name,
            "reason": self.reason,
            "message": self.message,
            "facts": dict(self.facts),
            "violations": [asdict(violation) for violation in self.violations],
            "retry_after_s": self.retry_after_s,
        }

    @classmethod
    def of_plain(cls, stored: Mapping[str, Any]) -> Verdict:
        """Return the verdict that `to_plain` stored."""
        return cls(
            code=StatusCode[stored["code"]],
            reason=stored["reason"],
            message=stored["message"],
            facts=stored["facts"],
            violations=tuple(FieldViolation(**one) for one in stored["violations"]),
            retry_after_s=stored.get("retry_after_s"),
        )


class Retold(MeshError):
    """A refusal in the words of another one: its code, reason, message and facts, kept.

    For a verdict that is given again, and for a refusal that a service makes under another
    service's reason because both mean the same thing to the reader.
    """

    def __init__(self, verdict: Verdict, further: Mapping[str, str] | None = None) -> None:
        violations: Sequence[FieldViolation] = verdict.violations
        super().__init__(
            verdict.message, violations=violations, retry_after_s=verdict.retry_after_s
        )
        self.metadata = {**verdict.facts, **(further or {})}
        self._verdict = verdict

    # Instance facts stand where other errors have class attributes: the first refusal chose them.
    @property
    def code(self) -> StatusCode:  # type: ignore[override]
        """Return the gRPC code of the refusal."""
        return self._verdict.code

    @property
    def reason(self) -> str:  # type: ignore[override]
        """Return the refusal's reason."""
        return self._verdict.reason


def storable(text: str) -> str:
    """Return the text without U+0000, which PostgreSQL does not store."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")
