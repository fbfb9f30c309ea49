"""What is documented holds on every machine: a pasted command gets an answer, not 415."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
COMMAND: Final = re.compile(r"\bcurl (?:[^\n]*\\\n)*[^\n]*")
"""A command with the lines it is continued on."""

DECLARED: Final = ("Content-Type: application/json", "Content-Type: audio/wav")
"""What a body is: JSON, or a file where one is taken."""


def commands_with_a_body() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for command in COMMAND.findall(page.read_text()):
            if re.search(r" (-d|--data\S*) ", command):
                yield page.name, command


def test_commands_that_send_a_body_declare_what_it_is() -> None:
    found = list(commands_with_a_body())
    assert found
    silent = [one for one in found if not any(kind in one[1] for kind in DECLARED)]
    assert silent == []


def test_no_page_names_a_place_of_the_machine_it_was_written_on() -> None:
    assert [page.name for page in PAGES if str(ROOT) in page.read_text()] == []
