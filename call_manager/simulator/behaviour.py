"""What a carrier does with a call: the words that scripts are written in, and numbers stand for.

Every value is checked where it is read, so that nothing is left to refuse once a call is there.
"""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from call_manager.media.tones import FREQUENCY_MAX_HZ, FREQUENCY_MIN_HZ

WAIT_MAX_S: Final = 7200.0
"""The longest wait, and how long an answered call may last."""
STEPS_MAX: Final = 64
PHONES_MAX: Final = 4
ALL: Final = 1000
"""As many requests of a method as never come; more than any caller repeats."""

_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]{1,64}\Z")  # RFC 3261 section 25.1
_HEADER_VALUE: Final = re.compile(r"[^\x00-\x1f\x7f]{0,512}\Z")
_OURS: Final = frozenset(
    {"via", "from", "to", "call-id", "cseq", "content-length", "content-type", "max-forwards"}
)


def _check_headers(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if not _HEADER_NAME.match(name) or not _HEADER_VALUE.match(value):
            raise ValueError(f"{name!r} is not a header's name with a value of one line")
        if name.lower() in _OURS:
            raise ValueError(f"{name} is the transaction's own")
    return headers


Seconds = Annotated[float, Field(ge=0, le=WAIT_MAX_S, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=ALL)]
Phone = Annotated[int, Field(ge=1, le=PHONES_MAX)]
Phrase = Annotated[str, Field(max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$")]
ExtraHeaders = Annotated[dict[str, str], Field(max_length=32), AfterValidator(_check_headers)]
Cause = Annotated[int, Field(ge=1, le=127)]
"""A cause of ITU-T Q.850, for the header `Reason` (RFC 3326)."""
Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]


class Part(BaseModel):
    """A part of a script; what it does not know is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Short(Part):
    """A part that may be written as the value of its chief field: `refuse: 486`."""

    chief: ClassVar[str]

    @model_validator(mode="before")
    @classmethod
    def _of_one_value(cls, given: object) -> object:
        if isinstance(given, str):
            return {cls.chief: given} if given else {}
        return given


class Provisional(Short):
    """A provisional answer, such as 180."""

    chief = "code"
    code: int = Field(180, ge=100, le=199)
    reason: Phrase = ""
    headers: ExtraHeaders = {}
    sdp: bool | None = None
    """Whether it brings SDP, and the audio begins; None: as is usual for its code, 183 alone."""
    phone: Phone = 1
    """Which of the phones that the call was forked to; each has a To tag of its own."""

    @property
    def brings_sdp(self) -> bool:
        """Whether the audio begins with it."""
        return self.code == 183 if self.sdp is None else self.sdp


class Refuse(Short):
    """A final answer that is no success."""

    chief = "code"
    code: int = Field(ge=300, le=699)
    reason: Phrase = ""
    headers: ExtraHeaders = {}
    q850: Cause | None = None


class Answer(Short):
    """A 2xx; what follows waits for its ACK, except another answer."""

    chief = "code"
    code: int = Field(200, ge=200, le=299)
    reason: Phrase = ""
    headers: ExtraHeaders = {}
    phone: Phone = 1
    sdp: Literal["usual", "none", "broken", "refused"] = "usual"
    """`refused` names port 0 (RFC 3264 section 6)."""
    codec: str = Field("", pattern=r"^[A-Za-z0-9._-]{0,32}$")
    """The codec that is picked, offered or not; empty: the first offered that it can speak."""
    repeats: int = Field(0, ge=0, le=20)
    """How often the answer comes again although it was acknowledged, each half a second."""
    changed: bool = False
    """Whether the repeated answers differ from the first."""


class Audio(Short):
    """What the carrier sends, and whether it listens."""

    chief = "send"
    send: Literal["silence", "tone", "echo", "nothing"] = "silence"
    hz: float = Field(440.0, ge=FREQUENCY_MIN_HZ, le=FREQUENCY_MAX_HZ)
    receive: bool = True
    """Whether what comes is counted and heard; otherwise it is lost."""
    stop_after_s: Seconds | None = None
    """When it stops sending, counted from its first packet."""
    loss_percent: int = Field(0, ge=0, le=100)
    """How much of what it sends never leaves."""
    echo_digits: bool = False
    """Whether DTMF digits are sent back."""


class Digits(Short):
    """DTMF digits, sent as RFC 4733 says when the caller can take them."""

    chief = "digits"
    digits: str = Field(pattern=r"^[0-9A-D*#]{1,64}$")
    duration_ms: int = Field(160, ge=40, le=2000)
    pause_ms: int = Field(100, ge=40, le=2000)


class HangUp(Short):
    """The carrier's BYE."""

    chief = "q850"
    q850: Cause | None = None
    headers: ExtraHeaders = {}


class Offer(Short):
    """A re-INVITE or UPDATE of the carrier's: hold, resume, refresh."""

    chief = "direction"
    direction: Direction | Literal[""] = ""
    """Empty is a refresh: a re-INVITE repeats `sendrecv`, an UPDATE has no SDP."""
    headers: ExtraHeaders = {}


class Challenge(Short):
    """Who is asked for credentials, and how (RFC 3261 section 22, RFC 8760)."""

    chief = "code"
    code: Literal[401, 407] = 401
    algorithms: tuple[Literal["MD5", "SHA-256"], ...] = Field(("MD5",), min_length=1, max_length=4)
    qop: Literal["auth", "auth-int", "auth,auth-int", "none"] = "auth"
    stale_once: bool = False
    """Whether the first right answer is told that its nonce is too old."""
    never: bool = False
    """Whether no answer is right: the caller is asked again and again."""
    requests: tuple[Literal["INVITE", "BYE"], ...] = ("INVITE",)
    username: Phrase = ""
    """Empty: the simulator's own."""
    password: Phrase = Field("", repr=False)

    @model_validator(mode="before")
    @classmethod
    def _code_is_a_number(cls, given: object) -> object:
        # Literals are compared, not converted, and a script's values are text.
        if isinstance(given, str):
            given = {"code": given} if given else {}
        if isinstance(given, dict) and given.get("code") in {"401", "407"}:
            return {**given, "code": int(given["code"])}
        return given


class SessionTimer(Part):
    """What is said of session timers (RFC 4028)."""

    expires_s: int = Field(0, ge=0, le=86_400)
    """`Session-Expires` in the answer; 0 for none."""
    refresher: Literal["caller", "carrier"] = "caller"
    min_se_s: int = Field(0, ge=0, le=86_400)
    """A shorter `Session-Expires` is refused with 422."""
    refresh: Literal["update", "invite", "never"] = "update"
    """How the carrier refreshes when it is its turn, at half of the interval."""


class Step(Part):
    """One thing that the carrier does; exactly one of these."""

    wait: Seconds | None = None
    provisional: Provisional | None = None
    refuse: Refuse | None = None
    answer: Answer | None = None
    audio: Audio | None = None
    digits: Digits | None = None
    reinvite: Offer | None = None
    update: Offer | None = None
    hang_up: HangUp | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Step:
        if len(self.model_fields_set) != 1 or not self.name:
            raise ValueError(f"a step is exactly one of {', '.join(type(self).model_fields)}")
        return self

    @property
    def name(self) -> str:
        """Which of the fields it is."""
        return next((name for name in self.model_fields_set if getattr(self, name) is not None), "")


_BEFORE: Final = frozenset({"wait", "provisional", "refuse", "answer", "audio"})
_AFTER: Final = frozenset({"wait", "audio", "digits", "reinvite", "update", "hang_up", "answer"})


class Behaviour(Part):
    """What becomes of one call."""

    meaning: str = Field("", max_length=200)
    """In words, for the reader of the events."""
    silent: bool = False
    """Whether nothing at all is answered."""
    trying: bool = True
    """Whether 100 is sent at once."""
    challenge: Challenge | None = None
    steps: tuple[Step, ...] = Field((), max_length=STEPS_MAX)
    on_cancel: Literal["terminate", "answer", "ignore"] = "terminate"
    """487, or a 2xx at once, which crosses the CANCEL, or nothing but the CANCEL's 200."""
    ignore: dict[Literal["INVITE", "ACK", "BYE", "CANCEL", "UPDATE", "INFO"], Count] = {}
    """How many requests of each method are lost before one is heard."""
    audio: Audio | None = None
    """None is what the simulator was started with."""
    session: SessionTimer = SessionTimer()

    @model_validator(mode="after")
    def _is_in_order(self) -> Behaviour:
        answered = over = False
        for number, step in enumerate(self.steps, 1):
            if over:
                raise ValueError(f"step {number} comes after the call is over")
            if step.name not in (_AFTER if answered else _BEFORE):
                when = "after" if answered else "before"
                raise ValueError(f"step {number}: no {step.name} {when} the answer")
            answered = answered or step.name == "answer"
            over = step.name in {"refuse", "hang_up"}
        return self

    @property
    def needs_audio(self) -> bool:
        """Whether some step answers, or brings SDP."""
        return self.on_cancel == "answer" or any(
            step.answer or (step.provisional and step.provisional.brings_sdp) for step in self.steps
        )

    @property
    def picks(self) -> bool:
        """Whether some answer names its codec or leaves its SDP out, so that no offer is unfit."""
        return any(step.answer and (step.answer.codec or step.answer.sdp != "usual")
                   for step in self.steps)  # fmt: skip
