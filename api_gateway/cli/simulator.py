"""`vbmesh simulator`: a simulated carrier, for people who have none yet."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

MODULE: Final = "call_manager.simulator"
"""The program behind the command; services never import each other, so it is run."""


def simulator(  # noqa: PLR0913, PLR0917  (each is an option of the command line)
    listen: Annotated[
        str, typer.Option(help="The IP address and port for SIP; port 0 takes any.")
    ] = "127.0.0.1:5070",
    ready_file: Annotated[
        Path | None, typer.Option(help="Write the address here as JSON once it listens.")
    ] = None,
    username: Annotated[
        str | None, typer.Option(help="Whom numbers that ask for credentials let through.")
    ] = None,
    password: Annotated[str | None, typer.Option(help="The password that goes with it.")] = None,
    rtp_ports: Annotated[
        str | None, typer.Option(help="The RTP ports, first-last; even ones are used.")
    ] = None,
    tone_hz: Annotated[
        float | None, typer.Option(help="Play this tone to answered calls, not silence.")
    ] = None,
    no_media: Annotated[
        bool, typer.Option("--no-media", help="Send no audio and count none.")
    ] = False,
    calls_max: Annotated[int | None, typer.Option(help="Calls at once; more get 503.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Write only the totals.")] = False,
) -> None:
    """Run a simulated carrier; a number's last two digits decide what happens.

    For example, 00 answers, 01 is busy, 03 rings until cancelled; docs/simulator.md has them all.
    """
    given = {
        "--listen": listen,
        "--ready-file": ready_file,
        "--username": username,
        "--password": password,
        "--rtp-ports": rtp_ports,
        "--tone-hz": tone_hz,
        "--calls-max": calls_max,
    }
    options = [f"{name}={value}" for name, value in given.items() if value is not None]
    flags = [name for name, set_ in (("--no-media", no_media), ("--quiet", quiet)) if set_]
    # It takes this process's place, so signals and the exit status need no passing on.
    os.execv(sys.executable, [sys.executable, "-m", MODULE, *options, *flags])  # noqa: S606
