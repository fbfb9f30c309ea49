"""Reads options of the command line; what they cannot be is told before anything starts."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path

import typer


def ip_address(text: str) -> str:
    """Read an IP address, an IPv6 one with or without brackets; those get them."""
    try:
        found = ipaddress.ip_address(text.removeprefix("[").removesuffix("]"))
    except ValueError:
        raise typer.BadParameter(f"{text} is no IP address.") from None
    return f"[{found}]" if found.version == 6 else str(found)


def sip_address(text: str | None) -> str | None:
    """Read an IP address with a port."""
    if text is None:
        return None
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
        raise typer.BadParameter(f"{text} is no IP address with a port.")
    return f"{ip_address(host)}:{port}"


def open_descriptor(number: int | None) -> int | None:
    """Read the number of a file descriptor that is open."""
    if number is not None:
        try:
            os.fstat(number)
        except OSError as error:
            raise typer.BadParameter(f"{number} is not open ({error.strerror}).") from error
    return number


def file_to_write(path: Path | None) -> Path | None:
    """Read the path of a file that may be made, or put in the place of another."""
    if path is not None and not path.absolute().parent.is_dir():
        raise typer.BadParameter(f"{path.absolute().parent} is no folder.")
    # A pipe or a device would be unlinked; --ready-fd is for those.
    if path is not None and path.exists() and not path.is_file():
        raise typer.BadParameter(f"{path} is no file.")
    return path
