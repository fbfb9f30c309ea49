"""Numbers by their last four digits: the first is a kind of trouble, the others say which."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from call_manager.simulator.behaviour import (
    ALL,
    Answer,
    Audio,
    Behaviour,
    Challenge,
    Digits,
    HangUp,
    Offer,
    Part,
    Provisional,
    Refuse,
    SessionTimer,
    Step,
)
from call_manager.simulator.outcomes import RING_MAX_S, RING_S, answering, doing
from call_manager.simulator.q850 import status_of

TONE_STEP_HZ: Final = 10
PICKS: Final = ("PCMU", "PCMA", "G729", "G722", "GSM", "opus", "iLBC", "AMR")


@dataclass(frozen=True, slots=True)
class Family:
    """Numbers that differ in a value only."""

    digit: str
    """The first of the four digits; the other three are the value."""
    first: int
    last: int
    meaning: str
    """In words; `NNN` stands for the value."""
    build: Callable[[int], Behaviour]

    @property
    def written(self) -> str:
        """The four digits as documentation writes them: `0300` or `0300-0699`."""
        first, last = f"{self.digit}{self.first:03}", f"{self.digit}{self.last:03}"
        return first if first == last else f"{first}-{last}"

    def of(self, digits: str) -> Behaviour:
        """Return what one of its numbers does."""
        value = int(digits[1:])
        meaning = self.meaning.replace("NNN × 10", str(value * TONE_STEP_HZ))
        meaning = meaning.replace("NNN", str(value))
        return self.build(value).model_copy(update={"meaning": meaning})


def family_of(digits: str) -> Family | None:
    """Return the family of four digits; None when they mean nothing."""
    if len(digits) != 4:
        return None
    value = int(digits[1:])
    return next((f for f in FAMILIES if f.digit == digits[0] and f.first <= value <= f.last), None)


def _one(number: str, meaning: str, *parts: Part | float, **more: object) -> Family:
    """Name one number by its steps."""
    value = int(number[1:])
    return Family(number[0], value, value, meaning, lambda _: doing("", *parts, **more))


def _answers(number: str, meaning: str, *then: Part | float, **more: object) -> Family:
    """Name one number that answers, and what comes then."""
    return _one(number, meaning, Provisional(), RING_S, Answer(), *then, **more)


def _refusal(code: int, *before: Part | float) -> Behaviour:
    if code in {401, 407}:
        # Whoever answers the challenge is refused again: credentials that the carrier knows not.
        challenge = Challenge.model_validate({"code": code, "never": True})
        return doing("", *before, Refuse(code=code), challenge=challenge)
    headers = {"Contact": "<sip:elsewhere@carrier.invalid>"} if code < 400 else {}
    return doing("", *before, Refuse(code=code, headers=headers))


def _for_cause(cause: int) -> Behaviour:
    return doing("", Refuse(code=status_of(cause), q850=cause))


_REFUSALS: Final = (
    Family("0", 300, 699, "answers NNN at once", _refusal),
    Family("1", 1, 127, "refuses for the Q.850 cause NNN", _for_cause),
    Family(
        "2",
        300,
        699,
        "rings 1 s, then answers NNN",
        lambda code: _refusal(code, Provisional(), 1.0),
    ),
    Family(
        "3",
        300,
        699,
        "sends early media for 1 s, then answers NNN",
        lambda code: _refusal(code, Provisional(code=183), 1.0),
    ),
)

_BOTH: Final = (Provisional(phone=1), Provisional(phone=2), RING_S)
_RING: Final = (Provisional(), RING_S)
_EARLY: Final = (Provisional(code=183), RING_S)
_PHONES: Final = (
    _one("4001", "two phones ring, the second answers", *_BOTH, Answer(phone=2)),
    _one("4002", "two phones ring, both answer", *_BOTH, Answer(), Answer(phone=2)),
    _one(
        "4003",
        "rings until the caller gives up, then answers all the same",
        Provisional(),
        RING_MAX_S,
        Refuse(code=480),
        on_cancel="answer",
    ),
    _one("4004", "answers, and says so three times more", *_RING, Answer(repeats=3)),
    _one(
        "4005",
        "answers, and says so three times more, each time differently",
        *_RING,
        Answer(repeats=3, changed=True),
    ),
    _answers("4006", "does not hear the first two ACKs", ignore={"ACK": 2}),
    _answers("4007", "never hears an ACK", ignore={"ACK": ALL}),
    _one(
        "4008",
        "forwards (181), queues (182), rings (180), then answers",
        Provisional(code=181),
        RING_S,
        Provisional(code=182),
        RING_S,
        *_RING,
        Answer(),
    ),
    _one(
        "4009",
        "rings, sends early media, rings again, then answers",
        *_RING,
        *_EARLY,
        *_RING,
        Answer(),
    ),
    _one("4010", "says nothing for 2 s, then answers", 2.0, Answer(), trying=False),
    _answers("4011", "does not hear the first INVITE", ignore={"INVITE": 1}),
    _one(
        "4012",
        "never hears a CANCEL, answers after 5 s",
        Provisional(),
        5.0,
        Answer(),
        ignore={"CANCEL": ALL},
    ),
)

_SDP: Final = (
    _one("4100", "answers without SDP", *_RING, Answer(sdp="none")),
    _one("4101", "answers with broken SDP", *_RING, Answer(sdp="broken")),
    _one("4102", "answers, and refuses the audio with port 0", *_RING, Answer(sdp="refused")),
    *(
        _one(f"411{n}", f"answers with {codec}, offered or not", *_RING, Answer(codec=codec))
        for n, codec in enumerate(PICKS)
    ),
)


def _sending(number: int) -> Behaviour:
    return answering("", 0.5, Digits(digits=str(number)))


_AUDIO: Final = (
    _answers("5001", "sends no audio", audio=Audio(send="nothing")),
    _answers("5002", "hears no audio", audio=Audio(receive=False)),
    _answers("5003", "sends and hears no audio", audio=Audio(send="nothing", receive=False)),
    _answers("5004", "echoes audio and digits", audio=Audio(send="echo", echo_digits=True)),
    _answers("5005", "sends 2 s of audio, then none", audio=Audio(stop_after_s=2.0)),
    _answers("5006", "loses a tenth of its audio", audio=Audio(send="tone", loss_percent=10)),
    _one(
        "5007",
        "plays a ringing tone for 2 s, then answers",
        Audio(send="tone", hz=425),
        Provisional(code=183),
        2.0,
        Audio(),
        Answer(),
    ),
    _answers("5010", "sends the digits 1234567890*#", 0.5, Digits(digits="1234567890*#")),
    _answers("5011", "sends back the digits it gets", audio=Audio(echo_digits=True)),
    _answers("5012", "sends the digits 1234# after 2 s", 2.0, Digits(digits="1234#")),
    Family(
        "5",
        30,
        340,
        "plays a tone of NNN × 10 Hz",
        lambda n: answering("", audio=Audio(send="tone", hz=n * TONE_STEP_HZ)),
    ),
    Family("5", 500, 599, "sends the digits NNN after 0.5 s", _sending),
)

_DIALOGS: Final = (
    Family(
        "6",
        1,
        127,
        "answers, hangs up after 1 s for the Q.850 cause NNN",
        lambda cause: answering("", 1.0, HangUp(q850=cause)),
    ),
    _answers(
        "6200",
        "answers, holds after 1 s, resumes after 1 s more",
        1.0,
        Step(reinvite=Offer(direction="sendonly")),
        1.0,
        Step(reinvite=Offer()),
    ),
    _answers(
        "6201",
        "answers, refreshes with a re-INVITE after 1 s",
        1.0,
        Step(reinvite=Offer()),
    ),
    _answers(
        "6202",
        "answers, refreshes with an UPDATE after 1 s",
        1.0,
        Step(update=Offer()),
    ),
    _answers(
        "6203",
        "answers, holds with an UPDATE after 1 s",
        1.0,
        Step(update=Offer(direction="sendonly")),
    ),
    _answers("6210", "does not hear the first BYE", ignore={"BYE": 1}),
    _answers("6211", "does not hear the first two BYEs", ignore={"BYE": 2}),
    _answers("6219", "never hears a BYE", ignore={"BYE": ALL}),
)


def _asking(number: str, meaning: str, **how: object) -> Family:
    code = 407 if number[2] == "1" else 401
    challenge = Challenge.model_validate({"code": code, **how})
    return _answers(number, f"asks with {code}{meaning}", challenge=challenge)


def _credentials(ten: str) -> tuple[Family, ...]:
    return (
        _asking(f"70{ten}1", " and MD5"),
        _asking(f"70{ten}2", " and SHA-256", algorithms=("SHA-256",)),
        _asking(f"70{ten}3", ", SHA-256 or MD5", algorithms=("SHA-256", "MD5")),
        _asking(f"70{ten}4", ", then once more for a newer nonce", stale_once=True),
        _asking(f"70{ten}5", " and without qop", qop="none"),
        _asking(f"70{ten}6", " and qop=auth-int", qop="auth-int"),
        _asking(f"70{ten}7", " again and again", never=True),
        _asking(f"70{ten}8", ", for the BYE too", requests=("INVITE", "BYE")),
    )


def _refreshed_by_carrier(how: str) -> SessionTimer:
    return SessionTimer.model_validate({"expires_s": 90, "refresher": "carrier", "refresh": how})


_TIMERS: Final = (
    _answers(
        "8001",
        "refreshes a session of 90 s with UPDATE",
        session=_refreshed_by_carrier("update"),
    ),
    _answers(
        "8002",
        "refreshes a session of 90 s with re-INVITE",
        session=_refreshed_by_carrier("invite"),
    ),
    _answers(
        "8003",
        "promises to refresh a session of 90 s, and does not",
        session=_refreshed_by_carrier("never"),
    ),
    Family(
        "8",
        90,
        999,
        "wants the caller to refresh a session of NNN s",
        lambda seconds: answering("", session=SessionTimer(expires_s=seconds)),
    ),
    Family(
        "9",
        90,
        999,
        "refuses sessions shorter than NNN s with 422",
        lambda seconds: answering("", session=SessionTimer(expires_s=seconds, min_se_s=seconds)),
    ),
)

FAMILIES: Final[tuple[Family, ...]] = (
    *_REFUSALS,
    *_PHONES,
    *_SDP,
    *_AUDIO,
    *_DIALOGS,
    *_credentials("0"),
    *_credentials("1"),
    *_TIMERS,
)
"""In the order of their digits; no two hold the same number."""
