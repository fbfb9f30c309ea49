"""`vbmesh simulator`: a simulated carrier, for people who have none yet."""

from __future__ import annotations

import os
import sys
from typing import Final

import typer

MODULE: Final = "call_manager.simulator"
"""The program behind the command; services never import each other, so it is run."""

PASSED_ON: Final = {
    "allow_extra_args": True,
    "ignore_unknown_options": True,
    "help_option_names": list[str](),
}
"""The program reads its options itself, `--help` among them: they are written down once."""


def simulator(context: typer.Context) -> None:
    """Run simulated carriers; a script, or a number's last digits, decide what happens.

    `vbmesh simulator --help` lists the options.
    """
    # It takes this process's place, so signals and the exit status need no passing on.
    os.execv(sys.executable, [sys.executable, "-m", MODULE, *context.args])  # noqa: S606
