"""What a running node says of itself in its data directory: its pid and its addresses."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def write_pid(data_dir: Path, name: str) -> None:
    """Write `<data_dir>/run/<name>.pid`, and remove the addresses of an earlier run."""
    _path(data_dir, name, "json").unlink(missing_ok=True)
    _write(_path(data_dir, name, "pid"), f"{os.getpid()}\n")


def write_addresses(data_dir: Path, name: str, addresses: Mapping[str, Any]) -> None:
    """Write `<data_dir>/run/<name>.json`; it is there only while the node listens."""
    _write(_path(data_dir, name, "json"), json.dumps(addresses, sort_keys=True) + "\n")


def remove(data_dir: Path, name: str) -> None:
    """Remove both files."""
    for kind in ("json", "pid"):
        _path(data_dir, name, kind).unlink(missing_ok=True)


def _path(data_dir: Path, name: str, kind: str) -> Path:
    return data_dir / "run" / f"{name}.{kind}"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # A reader sees the whole file or none: written beside, then renamed.
    beside = path.with_suffix(f"{path.suffix}.{os.getpid()}")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)
