"""Actions that steer the flow and leave the call alone."""

from __future__ import annotations

from typing import Final

from flow_manager.action.domain import ActionType
from flow_manager.action.option import Option, integer

SLEEP_MS_MAX: Final = 3_600_000
"""The longest sleep: one hour, the longest call there is."""

SLEEP = ActionType(
    "sleep",
    "Waits.",
    (
        Option(
            "duration",
            integer(0, SLEEP_MS_MAX),
            f"How long to wait, in milliseconds: an integer from 0 to {SLEEP_MS_MAX}.",
            required=True,
        ),
    ),
    needs_call=False,
    wait_ms=lambda option: int(option["duration"]),
)

STOP = ActionType("stop", "Ends the flow.", ends_flow=True, needs_call=False)
