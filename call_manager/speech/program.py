"""Runs a program that reads a text and writes a sound, within limits."""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import structlog

_PIECE_BYTES: Final = 64 * 1024
_ENVIRONMENT: Final = {"LANG": "C.UTF-8"}
"""All that a program is told; our own environment holds secrets."""

_END_S_MAX: Final = 2.0
"""How long a program that was killed may keep its pipe open."""

log = structlog.get_logger()


class ProgramFailed(Exception):
    """A program wrote nothing of use; the message says why, for the log."""


class OutputTooLarge(ProgramFailed):
    """It wrote more than it may."""


async def run(arguments: Sequence[str], text: bytes, *, bytes_max: int, deadline_s: float) -> bytes:
    """Return what a program writes on being given a text; no shell is asked.

    Raises ProgramFailed when it cannot be started, fails or takes longer than `deadline_s`, and
    OutputTooLarge when it writes more than `bytes_max`. Whatever happens, it and all that it
    started have ended then.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *arguments,
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            env=_ENVIRONMENT,
            cwd="/",
            start_new_session=True,
        )
    except OSError as error:
        raise ProgramFailed(f"{arguments[0]} does not start: {error.strerror}") from error
    try:
        async with asyncio.timeout(deadline_s):
            # Written beside the reading: a program may write before it has read everything.
            writing = asyncio.create_task(_write(process, text))
            try:
                output = await _read(process, bytes_max)
                await writing
            finally:
                writing.cancel()
            code = await process.wait()
    except TimeoutError:
        raise ProgramFailed(f"{arguments[0]} took longer than {deadline_s:g} s") from None
    finally:
        await _end(process)
    if code != 0:
        raise ProgramFailed(f"{arguments[0]} ended with {code}")
    return output


async def _write(process: Process, text: bytes) -> None:
    assert process.stdin is not None  # noqa: S101 - it was opened with a pipe
    # A program may end without reading; its status tells then.
    with suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(text)
        await process.stdin.drain()
        process.stdin.close()


async def _read(process: Process, bytes_max: int) -> bytes:
    assert process.stdout is not None  # noqa: S101 - it was opened with a pipe
    output = bytearray()
    while piece := await process.stdout.read(_PIECE_BYTES):
        output += piece
        if len(output) > bytes_max:
            raise OutputTooLarge(f"it wrote more than {bytes_max} bytes")
    return bytes(output)


async def _end(process: Process) -> None:
    # The group outlives its first process when that started others.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018
    process.stdin.close()
    try:
        async with asyncio.timeout(_END_S_MAX):
            # What is left in a full pipe would keep it open, and the end from being noticed.
            while await process.stdout.read(_PIECE_BYTES):
                pass
            await process.wait()
    except TimeoutError:
        # Something that left the group holds the pipe; the program itself is dead.
        log.warning("a program's pipe stays open", waited_s=_END_S_MAX)
    finally:
        # Nothing public closes our ends of the pipes; left open they would be so for ever.
        process._transport.close()  # type: ignore[attr-defined]
