"""`vbmesh demo`: the whole mesh, a simulated carrier, and one real call between them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Final, NoReturn

import httpx
import typer

from api_gateway.cli import ladder
from api_gateway.cli.children import ChildFailed, Children
from api_gateway.cli.data_dir import write_private
from api_gateway.cli.simulator import MODULE as SIMULATOR
from mesh.node import PRIVATE_UMASK

READY_S_MAX: Final = 30.0
CALL_S_MAX: Final = 20.0
REQUEST_S_MAX: Final = 10.0
POLL_S: Final = 0.1

# Numbers that belong to nobody: 555-0100 to 555-0199 are kept for fiction.
CALLER: Final = "+12025550199"
CALLEE: Final = "+12025550100"
ACTIONS: Final = (
    {"type": "sleep", "option": {"duration": 1000}},
    {"type": "beep"},
    {"type": "hangup"},
)
EXPECTED: Final = {
    "status": "hangup",
    "hangup_by": "local",
    "hangup_reason": "normal",
    "sip_code": 200,
}


class DemoFailed(Exception):
    """Something did not go as it must; the message says what."""


def demo(
    once: Annotated[
        bool, typer.Option("--once", help="End after the call, with status 0 if all went well.")
    ] = False,
    data_dir: Annotated[
        Path | None, typer.Option(help="Keep everything here, not in a temporary directory.")
    ] = None,
) -> None:
    """Start the mesh and a simulated carrier, place a call, and show what happened on the wire."""
    # Stated for both: a shell's background jobs are started deaf to Ctrl-C.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _interrupt)
    os.umask(PRIVATE_UMASK)
    home = data_dir or Path(tempfile.mkdtemp(prefix="vbmesh-demo-"))
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with Children(home) as children:
            _run(children, home.absolute(), once=once)
    except (DemoFailed, ChildFailed) as error:
        sys.stderr.write(f"\nThe demo failed: {error}\nLogs: {home}\n")
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        print("\nEverything is ended.")
    if data_dir is None:
        shutil.rmtree(home)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    # A supervisor's SIGTERM ends the demo as a person's Ctrl-C does.
    raise KeyboardInterrupt


def _run(children: Children, home: Path, *, once: bool) -> None:
    print("Starting a simulated carrier and the four services ...")
    carrier, mesh = _start(children, home)
    write_private(home / "admin.token", mesh["admin"]["token"] + "\n")
    print(f"REST    {mesh['http']}/v1.0\nSIP     {mesh['sip']} (UDP, TCP)")
    print(f"Carrier {carrier['sip']} (UDP)")
    print("\nTo type along, in another terminal:")
    print(f"  API={mesh['http']}/v1.0")
    print(f'  AUTH="Authorization: Bearer $(cat {home}/admin.token)"')
    with Api(mesh["http"], mesh["admin"]["token"]) as api:
        call = _place_call(api, carrier["sip"])
        _show_trace(api, call)
    _judge(call, _carrier_s_end(children.log_of("carrier"), call))
    if not once:
        _stay(children, mesh)


def _start(children: Children, home: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Start both child processes; return what their ready files say."""
    ready = {name: home / f"{name}.ready.json" for name in ("carrier", "mesh")}
    for file in ready.values():
        file.unlink(missing_ok=True)
    listen = ("--listen", "127.0.0.1:0")
    children.start("carrier", SIMULATOR, [*listen, "--ready-file", str(ready["carrier"])], {})
    options = ["--data-dir", str(home), "--ephemeral-ports", "--ready-file", str(ready["mesh"])]
    children.start("mesh", "api_gateway.cli", ["up", *options], {"VBMESH_LAB": "1"})
    carrier = children.wait_ready("carrier", ready["carrier"], READY_S_MAX)
    return carrier, children.wait_ready("mesh", ready["mesh"], READY_S_MAX)


class Api:
    """The public REST API as the demo uses it: every request is shown as a curl command."""

    def __init__(self, address: str, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        self._client = httpx.Client(
            base_url=f"{address}/v1.0", headers=headers, timeout=REQUEST_S_MAX
        )

    def __enter__(self) -> Api:
        """Open the connection lazily."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self._client.close()

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Create something, and show how."""
        lines = ",\n".join(f'  "{name}": {json.dumps(value)}' for name, value in body.items())
        print(f'\n$ curl -s -H "$AUTH" -H \'Content-Type: application/json\' "$API{path}" -d \'{{')
        print(f"{lines}\n}}'")
        return self._ask("POST", path, json=body)

    def show(self, path: str) -> dict[str, Any]:
        """Read something, and show how."""
        print(f'\n$ curl -s -H "$AUTH" "$API{path}"')
        return self.get(path)

    def get(self, path: str) -> dict[str, Any]:
        """Read something."""
        return self._ask("GET", path)

    def _ask(self, method: str, path: str, **rest: Any) -> dict[str, Any]:
        """Return the JSON answer; raises DemoFailed for any other."""
        try:
            answer = self._client.request(method, path, **rest)
        except httpx.HTTPError as error:
            raise DemoFailed(f"{method} {path} was not answered: {error}") from error
        if answer.status_code != httpx.codes.OK:
            raise DemoFailed(f"{method} {path} answered {answer.status_code}: {answer.text}")
        found: dict[str, Any] = answer.json()
        return found


def _place_call(api: Api, carrier: str) -> dict[str, Any]:
    """Create a provider, call through it, and return the call once it is over."""
    provider = api.post(
        "/providers", {"type": "sip", "hostname": carrier, "name": "Simulated carrier"}
    )
    _print_fields(provider, "id", "hostname", "health_status")
    record = api.post(
        "/providercalls",
        {
            "provider_id": provider["id"],
            "source": {"type": "tel", "target": CALLER},
            "destinations": [{"type": "tel", "target": CALLEE}],
            "actions": ACTIONS,
        },
    )
    _print_fields(record, "id", "provider_id", "flow_id", "call_ids", "status")
    if len(record["call_ids"]) != 1:
        raise DemoFailed(f"there is not one call: {json.dumps(record)}")
    call = _finished(api, f"/calls/{record['call_ids'][0]}")
    _print_fields(call, *EXPECTED, "sip_reason", "tm_ringing", "tm_progressing", "tm_hangup")
    return call


def _show_trace(api: Api, call: Mapping[str, Any]) -> None:
    trace = api.show(f"/timelines/calls/{call['id']}/sip-analysis")
    print("\n" + ladder.draw(trace["sip_messages"], "voipbin-mesh", "carrier"))
    attempt = trace["attempts"][-1]
    # Hand-picked; the whole attempt has some forty fields.
    _print_fields(attempt, "transport", "remote_address", "pdd_ms", "codec")
    audio = attempt["media"]["received"]
    _print_fields(
        {"audio": {name: audio[name] for name in ("packets", "lost", "jitter_ms")}}, "audio"
    )
    _print_fields({"explanation": trace["explanation"]["sentence"]}, "explanation")


def _carrier_s_end(log: Path, call: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the carrier wrote down at the call's end."""
    sip_call_ids = {attempt["sip_call_id"] for attempt in call["attempts"]}
    for line in log.read_text(encoding="utf-8").splitlines():
        event: dict[str, Any] = json.loads(line) if line.startswith("{") else {}
        if event.get("event") == "over" and event["call"] in sip_call_ids:
            return event
    raise DemoFailed(f"the carrier did not see the call's end; see {log}")


def _judge(call: Mapping[str, Any], end: Mapping[str, Any]) -> None:
    """Say how the call ended; raises DemoFailed when it is not how it must."""
    wrong = {name: call.get(name) for name, value in EXPECTED.items() if call.get(name) != value}
    if wrong or end["by"] != "caller" or not end["rtp_received"]:
        facts = {"call": call, "carrier": end}
        raise DemoFailed(f"the call ended otherwise than it must: {json.dumps(facts)}")
    print(f"\nOutcome: {CALLEE} answered, heard a second of silence and a beep, and we hung up.")
    print(f"The carrier received {end['rtp_received']} RTP packets and sent {end['rtp_sent']}.")


def _finished(api: Api, path: str) -> dict[str, Any]:
    """Wait for the call's end."""
    deadline = time.monotonic() + CALL_S_MAX
    call = api.show(path)
    while call["status"] != "hangup":
        if time.monotonic() > deadline:
            raise DemoFailed(f"the call is still {call['status']} after {CALL_S_MAX:.0f} s")
        time.sleep(POLL_S)
        call = api.get(path)
    return call


def _print_fields(found: Mapping[str, Any], *names: str) -> None:
    """Print chosen fields of an answer; what is not there yet is left out."""
    for name in names:
        if name in found:
            print(f"  {name:<16}{json.dumps(found[name])}")


def _stay(children: Children, mesh: Mapping[str, Any]) -> None:
    """Keep everything running until Ctrl-C; raises ChildFailed when a part dies."""
    admin = mesh["admin"]
    print(f"\nSign in at {mesh['http']}/auth/login as {admin['username']}", end="")
    # Only the first start on a data directory knows it.
    print(f" with password {admin['password']}" if admin["password"] else "")
    print("Other endings: dial …0101 (busy), …0102 (503), …0103 (rings; hang up), …0105 (asks for")
    print("credentials carrier/secret), …0109 (they hang up). docs/simulator.md has them all.")
    print("Ctrl-C ends everything.", flush=True)
    while True:
        time.sleep(1.0)
        children.check()
