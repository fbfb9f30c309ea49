import json
import signal
import subprocess
import sys
import time
from pathlib import Path

DEADLINE_S = 15.0


def test_the_command_is_the_simulator_with_the_same_options_signals_and_status(
    tmp_path: Path,
) -> None:
    ready = tmp_path / "ready.json"
    options = ["--listen", "127.0.0.1:0", "--ready-file", str(ready), "--calls-max", "7"]
    with subprocess.Popen(
        [sys.executable, "-m", "api_gateway.cli", "simulator", *options, "--no-media", "--quiet"],
        stdout=subprocess.PIPE,
    ) as process:
        deadline = time.monotonic() + DEADLINE_S
        while not ready.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert json.loads(ready.read_text())["pid"] == process.pid
        command = Path(f"/proc/{process.pid}/cmdline").read_bytes().split(b"\0")[1:-1]
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=DEADLINE_S)
    assert command == [
        b"-m", b"call_manager.simulator", b"--listen=127.0.0.1:0", b"--ready-file=" + bytes(ready),
        b"--calls-max=7", b"--no-media", b"--quiet",
    ]  # fmt: skip
    assert process.returncode == 0
    assert [json.loads(line)["event"] for line in out.splitlines()] == ["listening", "stopped"]
