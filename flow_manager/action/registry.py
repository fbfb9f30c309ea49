"""Finds every action type that a file of this package declares."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Final

from flow_manager import action
from flow_manager.action.domain import ActionType, ActionTypes


def _declared() -> Iterator[ActionType]:
    for module in pkgutil.iter_modules(action.__path__):
        # This very module is still being imported, and declares none.
        if f"{action.__name__}.{module.name}" != __name__:
            names = vars(importlib.import_module(f"{action.__name__}.{module.name}"))
            yield from (value for value in names.values() if isinstance(value, ActionType))


ACTION_TYPES: Final = ActionTypes(_declared())
"""Every action type there is."""
