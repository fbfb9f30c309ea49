"""`python -m benchmarks [PART …]`: prints what the mesh costs, all from one run."""

from __future__ import annotations

import argparse
import asyncio
import platform
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from benchmarks import (
    admission,
    pagination,
    provider_calls,
    routing,
    shim,
    shim_against_envoy,
    sip,
    storage,
)
from benchmarks.subject import subject

CLIENTS = (1, 16)


async def mesh(seconds: float) -> bool:
    """Measure storage and the mesh; load generators share the machine with what they load."""
    with tempfile.TemporaryDirectory() as folder:
        for clients in CLIENTS:
            await storage.measure(Path(folder), clients, seconds / 4)
            print()
        async with subject(Path(folder)) as measured:
            for clients in CLIENTS:
                await shim.measure(measured, clients, seconds / 2)
                print()
            async with shim_against_envoy.fronts(measured, Path(folder)) as fronts:
                for clients in CLIENTS:
                    await shim_against_envoy.measure(measured, fronts, clients, seconds / 4)
                    print()
            for clients in CLIENTS:
                await provider_calls.measure(measured, clients, seconds)
                print()
    return False


PARTS: Final[Mapping[str, Callable[[float], bool]]] = {
    "mesh": lambda seconds: asyncio.run(mesh(seconds)),
    # Six rounds of three callers, so each is short.
    "sip": lambda seconds: asyncio.run(sip.measure(seconds / 2)),
    "admission": lambda _: bool(admission.main()),
    "routing": lambda _: bool(routing.main()),
    "pagination": lambda _: bool(pagination.main()),
}
"""What can be measured, in the order it is; each tells whether a limit of its own is broken."""


def main() -> None:
    """Read the arguments and run the parts of these names, all when there are none."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"all, or of: {', '.join(PARTS)}")
    parser.add_argument("--seconds", type=float, default=8.0, help="per load (default 8)")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    print(f"{platform.python_version()}, {platform.machine()}; load and mesh on the same cores\n")
    # Each is run, whatever came of the others: the report is to be whole.
    asked = arguments.parts or list(PARTS)
    broken = [name for name, part in PARTS.items() if name in asked and part(arguments.seconds)]
    if broken:
        sys.exit(f"over the limit: {', '.join(broken)}")


if __name__ == "__main__":
    main()
