"""No item of the checklist is forgotten, and the documentation says what is not served yet."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Final

from tests.conformance.checklist import CHECKLIST, LATER, held

HERE: Final = Path(__file__).parent
COMPATIBILITY: Final = HERE.parents[1] / "docs" / "compatibility.md"


def test_every_item_has_a_test_or_a_reason_to_come_later() -> None:
    for module in HERE.glob("test_*.py"):
        importlib.import_module(f"tests.conformance.{module.stem}")
    assert set(held()) | set(LATER) == set(CHECKLIST)
    assert not set(held()) & set(LATER)


def test_the_documentation_has_every_item() -> None:
    text = COMPATIBILITY.read_text()
    assert [item for item in CHECKLIST if f"| {item} |" not in text] == []
