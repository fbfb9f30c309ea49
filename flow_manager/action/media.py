"""Actions that the other side can hear."""

from __future__ import annotations

from flow_manager.action.domain import ActionType

BEEP = ActionType("beep", "Plays a short tone.")
