"""Places one call through a carrier over REST, and prints what became of it.

README.md beside this file says how to run it.
"""

import argparse
import os
import sys
import time
import uuid
from typing import Any

import httpx

ENDED_S_MAX = 120


def main() -> int:
    """Place the call; return 0 when it was answered."""
    options = read_options()
    headers = {"Authorization": f"Bearer {os.environ['VBMESH_TOKEN']}"}
    with httpx.Client(base_url=options.api, headers=headers, timeout=20) as api:
        provider = ask(
            api,
            "POST",
            "/v1.0/providers",
            {"type": "sip", "name": "example", "hostname": options.carrier},
        )
        for warning in provider["warnings"]:
            print(f"warning: {warning['message']} {warning['fix']}")
        record = ask(
            api,
            "POST",
            "/v1.0/providercalls",
            {
                "provider_id": provider["id"],
                "source": {"type": "tel", "target": options.source},
                "destinations": [{"type": "tel", "target": options.to}],
                "actions": [{"type": "hangup"}],
            },
        )
        call = until_ended(api, record["call_ids"][0])
        print(f"call {call['id']}: {call['sip_code']} {call.get('sip_reason', '')}")
        timeline = ask(api, "GET", f"/v1.0/timelines/calls/{call['id']}/sip-analysis")
        for message in timeline["sip_messages"]:
            print(f"{message['timestamp']}  {message['src_ip']:>15}  {message['method']}")
    return 0 if call["sip_code"] == 200 else 1


def read_options() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--api", default="http://127.0.0.1:8080")
    parser.add_argument("--carrier", required=True, help="host, or host:port")
    parser.add_argument("--from", dest="source", required=True, help="as +12025550100")
    parser.add_argument("--to", required=True, help="as +12025550123")
    return parser.parse_args()


def ask(api: httpx.Client, method: str, path: str, body: Any = None) -> Any:
    """Send one request and return its answer; say why, and end, when it is refused."""
    # Sent again with the same key, the request would be the same request: one call, not two.
    headers = {"Idempotency-Key": str(uuid.uuid4())} if method == "POST" else {}
    answer = api.request(method, path, json=body, headers=headers)
    if answer.is_error:
        problem = answer.json()
        sys.exit(f"{problem['error']['reason']}: {problem['detail']} {problem.get('fix', '')}")
    return answer.json()


def until_ended(api: httpx.Client, call_id: str) -> Any:
    """Return the call once it is over; end with an error when it does not end in time."""
    deadline = time.monotonic() + ENDED_S_MAX
    while time.monotonic() < deadline:
        call = ask(api, "GET", f"/v1.0/calls/{call_id}")
        if call["status"] == "hangup":
            return call
        time.sleep(0.2)
    sys.exit(f"call {call_id} has not ended within {ENDED_S_MAX} s")


if __name__ == "__main__":
    sys.exit(main())
