"""Actions of digits: digits_send, digits_receive."""

from __future__ import annotations

import re
from typing import Final

from call_manager.dialer.actions.options import WAIT_MS_MAX, Options
from call_manager.dialer.actions.results import DONE, ActionFailed, Done
from call_manager.dialer.actions.stage import Stage
from call_manager.dialer.actions.waiting import within
from call_manager.media.sounds import keys_s

DIGITS_VARIABLE: Final = "voipbin.call.digits"
"""Where later actions find what was received."""

DIGITS_MAX: Final = 100
DURATION_MS: Final = 200
INTERVAL_MS: Final = 100
INTERVAL_MS_MAX: Final = 5000
WAIT_MS: Final = 10_000

_DIGITS: Final = re.compile(r"[0-9A-Da-d#*]{1,100}")


async def send(stage: Stage, options: Options) -> Done:
    """Send digits, each for `duration` ms, with `interval` ms after it."""
    digits = options.required("digits", most=DIGITS_MAX)
    if _DIGITS.fullmatch(digits) is None:
        raise ActionFailed("The option digits may have 0-9, A-D, # and *.")
    duration_ms = int(options.number("duration", DURATION_MS, low=100, high=1000))
    interval_ms = int(options.number("interval", INTERVAL_MS, high=INTERVAL_MS_MAX))
    await stage.audible.wait()
    seconds = keys_s(len(digits), duration_ms, interval_ms)
    sending = stage.media.send_digits(
        digits.upper(), duration_ms=duration_ms, interval_ms=interval_ms
    )
    await stage.heard(sending, seconds)
    return DONE


async def receive(stage: Stage, options: Options) -> Done:
    """Gather digits: for `duration` ms in all, until one of `key`, or until there are `length`.

    Those that came before and that no action has read count; the key that ends it does not.
    """
    wait_s = options.number("duration", WAIT_MS, high=WAIT_MS_MAX) / 1000
    keys = frozenset(options.text("key").upper())
    length = int(options.number("length", 0, high=DIGITS_MAX)) or DIGITS_MAX
    await stage.audible.wait()
    gathered: list[str] = []

    async def gather() -> None:
        while len(gathered) < length:
            digit = await stage.keypad.take()
            if digit in keys:
                return
            gathered.append(digit)

    try:
        await within(stage.equipment.clock, wait_s, gather())
    except TimeoutError:
        # What came until then is what was received.
        return _found(gathered)
    return _found(gathered)


def _found(gathered: list[str]) -> Done:
    return Done(found={DIGITS_VARIABLE: "".join(gathered)})
