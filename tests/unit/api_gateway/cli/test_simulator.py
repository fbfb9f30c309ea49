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
    given = [option.encode() for option in [*options, "--no-media", "--quiet"]]
    assert command == [b"-m", b"call_manager.simulator", *given]
    assert process.returncode == 0
    assert [json.loads(line)["event"] for line in out.splitlines()] == ["listening", "stopped"]


def test_its_help_is_that_of_the_program_behind_it() -> None:
    asked = [sys.executable, "-m", "api_gateway.cli", "simulator", "--help"]
    said = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=DEADLINE_S)
    assert said.stdout.startswith("usage: vbmesh simulator")
    assert "--tls-dir" in said.stdout


def test_an_option_it_does_not_have_is_refused_by_name() -> None:
    asked = [sys.executable, "-m", "api_gateway.cli", "simulator", "--lisen", "127.0.0.1:0"]
    said = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=DEADLINE_S)
    assert said.returncode == 2
    assert "--lisen" in said.stderr
