"""The simulator's command line: what is asked for, as the carriers it makes."""

from __future__ import annotations

import argparse
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from call_manager.channel import Credentials
from call_manager.media.tones import FREQUENCY_MAX_HZ, FREQUENCY_MIN_HZ
from call_manager.simulator.audio import AudioSettings
from call_manager.simulator.endpoint import SimulatorSettings
from call_manager.simulator.lab_ca import prepare, server_context
from call_manager.simulator.script import (
    CARRIERS_MAX,
    CarrierScript,
    OptionsPhase,
    Script,
    ip_address_and_port,
)
from call_manager.simulator.wires import Listening
from call_manager.simulator.yaml_file import ScriptMistake, load
from call_manager.sip.effects import Address
from mesh.addresses import write_address

DEFAULT_LISTEN: Final = "127.0.0.1:5070"
ONLY: Final = "carrier"
"""The name of a carrier that is alone."""


class ArgumentsMistake(ValueError):
    """The options cannot be used as they are; the message is for a person."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What one process runs."""

    carriers: Mapping[str, SimulatorSettings]
    ready_file: Path | None
    quiet: bool
    ca: Path | None
    """The throw-away authority's certificate, if there is one."""


def parse(arguments: list[str] | None = None) -> Plan:
    """Read the command line; ends the process with status 2 for what cannot be used."""
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        return _plan(given)
    except (ArgumentsMistake, ScriptMistake, OSError) as error:
        parser.exit(2, f"{error}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vbmesh simulator",
        description="Simulated carriers; a script, or a number's last digits, decide what happens.",
    )
    add = parser.add_argument
    add("--listen", type=_address, help=f"host:port, {DEFAULT_LISTEN} unless told; port 0 is any")
    add("--carrier", type=_carrier, action="append", default=[], metavar="NAME=HOST:PORT",
        help="one of several carriers; may be repeated")  # fmt: skip
    add("--script", type=Path, help="YAML: what calls and OPTIONS meet")
    add("--ready-file", type=Path, help="written as JSON with the addresses once all listen")
    add("--tcp", action="store_true", help="listen for TCP, too, at the same address")
    add("--tls-listen", type=_address, help="host:port for TLS; the port after --listen's")
    add("--tls-cert", type=Path, help="the certificate for TLS, PEM")
    add("--tls-key", type=Path, help="its key, PEM")
    add("--tls-dir", type=Path, help="write a throw-away CA and certificate here, and use them")
    add("--options", type=_options, help="what OPTIONS gets: a code, or `silent`")
    add("--username", default="carrier", help="accepted by numbers that ask who is calling")
    add("--password", default="secret", help="accepted with it; also VBMESH_SIMULATOR_PASSWORD")
    add("--rtp-ports", type=_port_range, default="24000-31998", help="first-last")
    add("--tone-hz", type=_frequency, help="play this tone to answered calls instead of silence")
    add("--heard-dir", type=Path, help="write what each call's caller said here, as WAV files")
    add("--no-media", action="store_true", help="send no audio and count none")
    add("--calls-max", type=_count, default=2000, help="calls at once; more get 503")
    add("--quiet", action="store_true", help="write only the totals at the end")
    return parser


def _address(text: str) -> Address:
    try:
        return ip_address_and_port(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _carrier(text: str) -> tuple[str, str]:
    name, _, listen = text.partition("=")
    try:
        Script.model_validate({"carriers": {name: {"listen": listen}}})
    except ValidationError as error:
        message = f"{text} is not NAME=HOST:PORT, the name in small letters"
        raise argparse.ArgumentTypeError(message) from error
    return name, listen


def _options(text: str) -> OptionsPhase:
    given = {"silent": True} if text == "silent" else {"code": text}
    try:
        return OptionsPhase.model_validate(given)
    except ValidationError as error:
        raise argparse.ArgumentTypeError(f"{text} is neither a final status nor silent") from error


def _port_range(text: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    if not (dash and first.isdigit() and last.isdigit() and 1 <= int(first) < int(last) < 65_536):
        raise argparse.ArgumentTypeError(f"{text} is not a range of ports, first-last")
    return int(first), int(last)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and int(text)):
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1 to 999999")
    return int(text)


def _frequency(text: str) -> float:
    try:
        hertz = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text} is not a frequency") from error
    if not FREQUENCY_MIN_HZ <= hertz <= FREQUENCY_MAX_HZ:
        raise argparse.ArgumentTypeError("a telephone carries 20 to 3400 Hz")
    return hertz


def _plan(given: argparse.Namespace) -> Plan:
    if given.heard_dir is not None and not given.heard_dir.is_dir():
        raise ArgumentsMistake(f"--heard-dir {given.heard_dir} is no directory.")
    scripts = _carriers(given, Script() if given.script is None else load(given.script))
    for name, script in scripts.items():
        if script.listen is None:
            raise ArgumentsMistake(f"The carrier {name} has no address: give `listen`.")
    if any(script.tls for script in scripts.values()) and given.tls_dir is None:
        _need_certificate(given)
    hosts = {ip_address_and_port(s.tls)[0] for s in scripts.values() if s.tls}
    if len(hosts) > 1:
        raise ArgumentsMistake("All carriers that listen for TLS share one IP address.")
    ca, context = _certificates(given, next(iter(hosts), None))
    carriers = {name: _settings(given, script, context) for name, script in scripts.items()}
    return Plan(carriers, given.ready_file, given.quiet, ca)


def _carriers(given: argparse.Namespace, script: Script) -> dict[str, CarrierScript]:
    """Name the carriers, and say where each listens; `--carrier` wins over the script."""
    told = dict(given.carrier)
    if len(told) < len(given.carrier):
        raise ArgumentsMistake("Two --carrier have the same name.")
    names = [*script.carriers, *(name for name in told if name not in script.carriers)]
    if len(names) > CARRIERS_MAX:
        raise ArgumentsMistake(f"There are more than {CARRIERS_MAX} carriers.")
    if names and (given.listen or given.tls_listen):
        raise ArgumentsMistake("With several carriers each has its own address.")
    common = {"tcp": True} if given.tcp else {}
    options = {"options": (given.options,)} if given.options else {}
    found = {}
    for name in names:
        listen = {"listen": told[name]} if name in told else {}
        found[name] = script.of(name).model_copy(update={**common, **listen, **options})
    if not names:
        host, port = given.listen or ip_address_and_port(DEFAULT_LISTEN)
        wants_tls = given.tls_listen or given.tls_cert or given.tls_dir
        beside = (host, port + 1 if port else 0)
        where = {
            "listen": write_address((host, port)),
            "tls": write_address(given.tls_listen or beside) if wants_tls else None,
        }
        found[ONLY] = script.of(ONLY).model_copy(update={**common, **where, **options})
    return found


def _need_certificate(given: argparse.Namespace) -> None:
    if given.tls_cert is None or given.tls_key is None:
        raise ArgumentsMistake("TLS needs --tls-dir, or both --tls-cert and --tls-key.")


def _certificates(
    given: argparse.Namespace, host: str | None
) -> tuple[Path | None, ssl.SSLContext | None]:
    if host is None:
        return None, None
    try:
        if given.tls_dir is None:
            return None, server_context(given.tls_cert, given.tls_key)
        files = prepare(given.tls_dir, host)
        return files.ca, server_context(files.certificate, files.key)
    except ssl.SSLError as error:
        raise ArgumentsMistake(f"The certificate and its key cannot be used: {error}.") from error


def _settings(
    given: argparse.Namespace, script: CarrierScript, context: ssl.SSLContext | None
) -> SimulatorSettings:
    udp = ip_address_and_port(script.listen or DEFAULT_LISTEN)
    tls = ip_address_and_port(script.tls) if script.tls else None
    # What is in the environment is not in the list of processes.
    password = os.environ.get("VBMESH_SIMULATOR_PASSWORD", given.password)
    return SimulatorSettings(
        listening=Listening(udp, script.tcp, tls, context),
        credentials=Credentials(given.username, password),
        audio=AudioSettings(
            udp[0],
            given.rtp_ports,
            given.tone_hz,
            muted=given.no_media,
            heard_dir=given.heard_dir,
        ),
        calls_max=given.calls_max,
        answers=script,
    )
