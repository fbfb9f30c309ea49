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
        str | None, typer.Option(help="IP address and port for SIP, 127.0.0.1:5070; port 0 is any.")
    ] = None,
    carrier: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=HOST:PORT", help="One of several carriers; may be repeated."),
    ] = None,
    script: Annotated[
        Path | None, typer.Option(help="YAML: what calls and OPTIONS meet (docs/simulator.md).")
    ] = None,
    ready_file: Annotated[
        Path | None, typer.Option(help="Write the addresses here as JSON once all listen.")
    ] = None,
    tcp: Annotated[bool, typer.Option("--tcp", help="Listen for TCP, too.")] = False,
    tls_listen: Annotated[
        str | None, typer.Option(help="Where to listen for TLS: the port after --listen's.")
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="The certificate for TLS, PEM.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its key, PEM.")] = None,
    tls_dir: Annotated[
        Path | None, typer.Option(help="Write a throw-away CA and certificate here; use them.")
    ] = None,
    options: Annotated[
        str | None, typer.Option(help="What OPTIONS gets: a final status, or silent.")
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
    """Run simulated carriers; a script, or a number's last digits, decide what happens.

    For example, 00 answers, 01 is busy, 03 rings until cancelled, 0503 is 503; docs/simulator.md
    has them all.
    """
    given = {
        "--listen": listen,
        "--script": script,
        "--ready-file": ready_file,
        "--tls-listen": tls_listen,
        "--tls-cert": tls_cert,
        "--tls-key": tls_key,
        "--tls-dir": tls_dir,
        "--options": options,
        "--username": username,
        "--password": password,
        "--rtp-ports": rtp_ports,
        "--tone-hz": tone_hz,
        "--calls-max": calls_max,
    }
    values = [f"{name}={value}" for name, value in given.items() if value is not None]
    values += [f"--carrier={one}" for one in carrier or ()]
    switches = {"--tcp": tcp, "--no-media": no_media, "--quiet": quiet}
    flags = [name for name, on in switches.items() if on]
    # It takes this process's place, so signals and the exit status need no passing on.
    os.execv(sys.executable, [sys.executable, "-m", MODULE, *values, *flags])  # noqa: S606
