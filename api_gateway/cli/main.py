"""The command `vbmesh`."""

from __future__ import annotations

import typer

from api_gateway.cli.accounts import passwd, rotate_keys
from api_gateway.cli.demo import demo
from api_gateway.cli.simulator import PASSED_ON, simulator
from api_gateway.cli.up import up

app = typer.Typer(
    name="vbmesh",
    help="Place real SIP calls through a carrier you name, and see what happened.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(up)
app.command()(demo)
app.command(context_settings=PASSED_ON)(simulator)
app.command()(passwd)
app.command()(rotate_keys)


def main() -> None:
    """Run the command line."""
    app()
