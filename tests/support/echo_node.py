"""The echo service as a process of its own: `python -m tests.support.echo_node`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import structlog

from mesh.node import Node, main
from mesh.settings import MeshSettings
from mesh.telemetry import bind_log
from tests.support.echo import FILE, Echo, EchoResponse, add_to_server

log = structlog.get_logger()


class Part:
    """An owned part that writes down when it starts and stops; one named `broken` fails."""

    def __init__(self, name: str, diary: Path) -> None:
        self._name = name
        self._diary = diary

    async def start(self) -> None:
        self._note("start")
        if self._name == "broken":
            raise RuntimeError("this part cannot start")

    async def stop(self) -> None:
        self._note("stop")
        if self._name == "stubborn":
            raise RuntimeError("this part cannot stop")

    def _note(self, what: str) -> None:
        with self._diary.open("a", encoding="utf-8") as file:
            file.write(f"{what} {self._name}\n")


async def answer(request: Any, _context: Any) -> Any:
    """Sleep when asked `sleep <seconds>`, fail when asked `fail`, log the rest."""
    bind_log(call_id="c-1")
    if request.text.startswith("sleep "):
        await asyncio.sleep(float(request.text.removeprefix("sleep ")))
    if request.text == "fail":
        raise RuntimeError("a failure that nobody foresaw")
    log.info("answered", token="swordfish", url="http://x/y?token=swordfish")
    return EchoResponse(text=request.text)


def build(settings: MeshSettings) -> Node:
    """Construct the node; `parts.txt` in the data directory names its parts."""
    names = (settings.data_dir / "parts.txt").read_text(encoding="utf-8").split()
    diary = settings.data_dir / "diary.txt"
    return Node(
        settings,
        name="echo",
        servicers=[(add_to_server, Echo(answer), FILE)],
        owns=[Part(name, diary) for name in names],
        extra=lambda: {"colour": "blue"},
    )


if __name__ == "__main__":
    main(build, MeshSettings, "echo")
