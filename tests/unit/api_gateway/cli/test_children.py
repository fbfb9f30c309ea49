import os
import time
from pathlib import Path

import pytest

from api_gateway.cli.children import ChildFailed, Children


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder whose modules children can run."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "good.py").write_text(
        "import json, os, pathlib, sys, time\n"
        "pathlib.Path(sys.argv[1]).write_text(json.dumps({'pid': os.getpid()}))\n"
        "time.sleep(60)\n"
    )
    (tmp_path / "bad.py").write_text("import sys\nprint('why', file=sys.stderr)\nsys.exit(7)\n")
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(60)\n")
    return tmp_path


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_child_tells_that_it_is_ready_and_ends_with_its_parent(programs: Path) -> None:
    ready = programs / "ready.json"
    with Children(programs) as children:
        children.start("good", "good", [str(ready)], {})
        pid = children.wait_ready("good", ready, 10.0)["pid"]
        children.check()
        assert alive(pid)
    assert not alive(pid)


def test_a_child_that_dies_is_named_with_its_status_and_its_log(programs: Path) -> None:
    with Children(programs) as children:
        children.start("bad", "bad", [], {})
        with pytest.raises(ChildFailed, match=rf"bad ended with status 7; see {programs}/bad\.log"):
            children.wait_ready("bad", programs / "never", 10.0)
    assert (programs / "bad.log").read_text() == "why\n"


def test_a_child_that_is_never_ready_is_not_waited_for_for_ever(programs: Path) -> None:
    started = time.monotonic()
    with Children(programs) as children:
        children.start("slow", "slow", [], {})
        with pytest.raises(ChildFailed, match="slow is not ready after 0 s"):
            children.wait_ready("slow", programs / "never", 0.2)
    assert time.monotonic() - started < 10
