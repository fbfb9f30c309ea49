"""The timers of all calls, on the event loop's clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from call_manager.sip.effects import SetTimer, TimerKey


class Timers:
    """Running timers by Call-ID and key; each call has a handful at most."""

    def __init__(self, fire: Callable[[str, TimerKey], None]) -> None:
        self._fire = fire
        self._handles: dict[str, dict[TimerKey, asyncio.TimerHandle]] = {}

    def set(self, call_id: str, wanted: SetTimer) -> None:
        """Start a timer, replacing one of the same key."""
        self.stop(call_id, wanted.key)
        loop = asyncio.get_running_loop()
        handle = loop.call_later(wanted.seconds, self._on_due, call_id, wanted.key)
        self._handles.setdefault(call_id, {})[wanted.key] = handle

    def stop(self, call_id: str, key: TimerKey) -> None:
        """Stop a timer; harmless when it does not run."""
        handle = self._handles.get(call_id, {}).pop(key, None)
        if handle is not None:
            handle.cancel()

    def forget(self, call_id: str) -> None:
        """Stop all timers of a call."""
        for handle in self._handles.pop(call_id, {}).values():
            handle.cancel()

    def clear(self) -> None:
        """Stop all timers."""
        for call_id in list(self._handles):
            self.forget(call_id)

    def _on_due(self, call_id: str, key: TimerKey) -> None:
        self._handles.get(call_id, {}).pop(key, None)
        self._fire(call_id, key)
