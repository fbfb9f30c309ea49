"""Reads the options of an action.

flow_manager has judged them when the flow was written, and again once names were replaced; what is
read here is held to the same limits, for the action's sake.
"""

from __future__ import annotations

from typing import Final

from voipbin.flow.v1.action_pb2 import Action

from call_manager.dialer.actions.results import ActionFailed

WAIT_MS_MAX: Final = 3_600_000
"""The longest that an action waits, listens or echoes, in milliseconds: an hour."""


class Options:
    """One action's options; null is as good as left out."""

    def __init__(self, action: Action) -> None:
        self._fields = action.option.fields

    def text(self, name: str) -> str:
        """Return a text, or an empty one."""
        return self._fields[name].string_value if self._is(name, "string_value") else ""

    def required(self, name: str, *, most: int) -> str:
        """Return a text of 1 to `most` characters; raises ActionFailed."""
        found = self.text(name)
        if not 1 <= len(found) <= most:
            raise ActionFailed(f"The option {name} must have 1 to {most} characters.")
        return found

    def number(self, name: str, default: float, *, low: float = 0, high: float) -> float:
        """Return a number from `low` to `high`; raises ActionFailed."""
        found = self._fields[name].number_value if self._is(name, "number_value") else default
        if not low <= found <= high:
            raise ActionFailed(f"The option {name} must lie between {low:g} and {high:g}.")
        return found

    def flag(self, name: str) -> bool:
        """Return whether something is asked for."""
        return self._is(name, "bool_value") and self._fields[name].bool_value

    def texts(self, name: str) -> tuple[str, ...]:
        """Return the texts of a list."""
        if not self._is(name, "list_value"):
            return ()
        return tuple(one.string_value for one in self._fields[name].list_value.values)

    def _is(self, name: str, kind: str) -> bool:
        # Asking a map of messages for what it has not would put it there.
        return name in self._fields and self._fields[name].WhichOneof("kind") == kind
