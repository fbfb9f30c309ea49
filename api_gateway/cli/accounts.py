"""`vbmesh passwd` and `vbmesh rotate-keys`: what whoever runs a mesh may do to its accounts."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer
from voipbin.account.v1 import auth_service_pb2 as pb
from voipbin.account.v1.auth_service_pb2_grpc import AuthServiceStub

from api_gateway.cli.data_dir import SUPERVISOR, DataDir
from mesh import clients
from mesh.errors import MeshError

BUDGET_S: Final = 10.0
"""How long a command may take."""

T = TypeVar("T")

DataDirOption = Annotated[
    Path, typer.Option(help="The data directory of the mesh, which must be running.")
]


class NotRunning(Exception):
    """No mesh runs on the data directory, or it is somebody else's; the message says which."""


def passwd(
    username: Annotated[str, typer.Argument(help="The user name of the agent.")],
    data_dir: DataDirOption,
) -> None:
    """Give an agent a new random password, show it once, and end the agent's older tokens."""

    async def ask(auth: AuthServiceStub) -> str:
        return (await auth.PasswordReset(pb.PasswordResetRequest(username=username))).password

    print(_run("passwd", data_dir, ask))


def rotate_keys(
    data_dir: DataDirOption,
    end_tokens: Annotated[
        bool, typer.Option("--end-tokens", help="End every token: an older key may be known.")
    ] = False,
) -> None:
    """Sign tokens with a new key from now on; tokens of older keys are read until they expire."""

    async def ask(auth: AuthServiceStub) -> str:
        wish = pb.SigningKeyRotateRequest(end_tokens=end_tokens)
        return (await auth.SigningKeyRotate(wish)).key_id

    print(f"Tokens are signed with the key {_run('rotate-keys', data_dir, ask)} from now on.")


def _run(command: str, data_dir: Path, ask: Callable[[Any], Awaitable[T]]) -> T:
    try:
        return asyncio.run(_asked(DataDir(data_dir), ask))
    except (NotRunning, MeshError) as error:
        sys.stderr.write(f"vbmesh {command}: {error}\n")
        raise typer.Exit(1) from None


async def _asked(data: DataDir, ask: Callable[[Any], Awaitable[T]]) -> T:
    try:
        address = json.loads((data.path / "run" / "api_gateway.json").read_text("utf-8"))["grpc"]
        token = data.token(SUPERVISOR)
    except FileNotFoundError:
        raise NotRunning(f"no mesh runs on {data.path}; start it with `vbmesh up`") from None
    except OSError as error:
        raise NotRunning(f"cannot read {error.filename} ({error.strerror})") from error
    channel = clients.channel(address, pb.DESCRIPTOR, token=token, budget_s=BUDGET_S)
    async with channel:
        return await ask(AuthServiceStub(channel))
