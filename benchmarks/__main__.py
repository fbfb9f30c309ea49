"""`python -m benchmarks`: prints what the mesh costs, all from one run."""

from __future__ import annotations

import argparse
import asyncio
import platform
import sys
import tempfile
from pathlib import Path

from benchmarks import (
    pagination,
    provider_calls,
    routing,
    shim,
    shim_against_envoy,
    storage,
)
from benchmarks.subject import subject

CLIENTS = (1, 16)


async def run(seconds: float) -> None:
    """Measure everything; load generators share the machine with what they load."""
    print(f"{platform.python_version()}, {platform.machine()}; load and mesh on the same cores\n")
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


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0, help="per load (default 8)")
    asyncio.run(run(parser.parse_args().seconds))
    # Each has a limit, and is run in any case: the report is to be whole.
    broken = [module.__name__ for module in (routing, pagination) if module.main()]
    if broken:
        sys.exit(f"over the limit: {', '.join(broken)}")


if __name__ == "__main__":
    main()
