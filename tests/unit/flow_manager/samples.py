"""The least that each action needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

ID: Final = UUID("0190a1b2-0000-7000-8000-00000000c0de")
"""The id of the action that the targets below name."""

SMALLEST: Final[Mapping[str, Mapping[str, Any]]] = {
    "sleep": {"duration": 0},
    "talk": {"text": "x"},
    "play": {"stream_urls": ["https://example.com/a.wav"]},
    "digits_send": {"digits": "1"},
    "variable_set": {"key": "k", "value": "v"},
    "goto": {"target_id": str(ID)},
    "condition_variable": {
        "condition": "==",
        "variable": "v",
        "value_type": "string",
        "false_target_id": str(ID),
    },
    "fetch_flow": {"flow_id": str(ID)},
}
"""The required options of each type that has some, by type."""
