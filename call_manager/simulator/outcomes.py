"""What a number's last two digits do, wherever its last four mean nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from call_manager.simulator.behaviour import (
    Answer,
    Behaviour,
    Challenge,
    HangUp,
    Part,
    Provisional,
    Refuse,
    Step,
)

RING_S: Final = 0.2
"""How long a phone rings that picks up without being told when."""
RING_MAX_S: Final = 300.0
"""When a phone that nobody answers and no caller gives up on stops ringing."""


def steps(*parts: Part | float) -> tuple[Step, ...]:
    """Write steps: a number is a wait in seconds, a `Step` stays, other parts name themselves."""
    names = {"hangup": "hang_up"}
    written = []
    for part in parts:
        if isinstance(part, Step):
            written.append(part)
        elif isinstance(part, Part):
            name = type(part).__name__.lower()
            written.append(Step.model_validate({names.get(name, name): part}))
        else:
            written.append(Step(wait=part))
    return tuple(written)


def doing(meaning: str, *parts: Part | float, **more: object) -> Behaviour:
    """Describe a call by its steps and further fields of `Behaviour`."""
    return Behaviour.model_validate({"meaning": meaning, "steps": steps(*parts), **more})


def answering(meaning: str, *then: Part | float, **more: object) -> Behaviour:
    """Describe a call that rings `RING_S`, is answered, and then does something."""
    return doing(meaning, Provisional(), RING_S, Answer(), *then, **more)


ANSWERS: Final = answering("rings 0.2 s, then answers")


def _special() -> dict[str, Behaviour]:
    asks = "asks who is calling with {}, then answers"
    return {
        "01": doing("is busy", Refuse(code=486)),
        "02": doing("the carrier is unavailable", Refuse(code=503)),
        "03": doing("rings until the caller gives up", Provisional(), RING_MAX_S, Refuse(code=480)),
        "04": Behaviour(meaning="is silent", silent=True),
        "05": answering(asks.format(401), challenge=Challenge(code=401)),
        "06": doing("does not exist", Refuse(code=404)),
        "07": doing("rings 0.2 s, then declines", Provisional(), RING_S, Refuse(code=603)),
        "08": answering(asks.format(407), challenge=Challenge(code=407)),
        "09": answering("answers, hangs up after 2 s", 2.0, HangUp()),
    }


def _timed() -> dict[str, Behaviour]:
    table = {"10": doing("answers at once", Answer())}
    for n in range(10):
        seconds = float(n)
        if n:
            meaning = f"rings {n} s, then answers"
            table[f"1{n}"] = doing(meaning, Provisional(), seconds, Answer())
        table[f"2{n}"] = answering(f"answers, hangs up after {n} s", seconds, HangUp())
        meaning = f"sends early media for {n} s, then answers"
        table[f"3{n}"] = doing(meaning, Provisional(code=183), seconds, Answer())
    return table


OUTCOMES: Final[Mapping[str, Behaviour]] = dict(sorted({**_special(), **_timed()}.items()))
"""By the number's last two digits; every other number `ANSWERS`."""
