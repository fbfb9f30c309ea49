"""What every session works with, and the limits it keeps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from call_manager.channel import Channel
from call_manager.dialer.actions.protocols import Sounds, Speaker
from call_manager.dialer.activeflows import Activeflows
from call_manager.dialer.captures import CaptureWriter
from call_manager.dialer.providers import Providers
from call_manager.dialer.recordings import RecordingWriter
from call_manager.dialer.traces import TraceWriter
from call_manager.groupcall.membership import Dialling
from mesh import telemetry
from mesh.clock import Clock, new_id
from mesh.database import Database

_UNSAMPLED: Final = "00-00000000000000000000000000000001-0000000000000001-00"


@dataclass(frozen=True, slots=True)
class DialerSettings:
    """The dialer's limits; seconds and counts."""

    legs_max: int = 500
    """The most calls at once; more wait in the queue until `dial_not_after`."""
    ring_timeout_s: float = 60.0
    """How long a carrier may ring before we cancel (CONTRACT.md section 3.4)."""
    longest_call_s: float = 3600.0
    """How long an answered call may last."""
    flow_patience_s: float = 30.0
    """How long an answered call waits, in silence, for a flow_manager that does not answer."""
    capture_bytes_max: int = 16 * 1024 * 1024
    """The most bytes of captured RTP that are stored of one leg."""
    recording_s_max: float = 3600.0
    """How long one recording may last."""
    stop_grace_s: float = 40.0
    """How long live calls get to end at the stop: a CANCEL or BYE nobody answers takes 32 s."""
    owner: str = field(default_factory=lambda: str(new_id()))
    """Names this instance in the rows it claims; a new one at every start."""


@dataclass(frozen=True, slots=True)
class Equipment:
    """What a session is given; all of it is shared by all sessions."""

    database: Database
    channel: Channel
    providers: Providers
    activeflows: Activeflows
    traces: TraceWriter
    captures: CaptureWriter
    recordings: RecordingWriter
    speaker: Speaker
    sounds: Sounds
    clock: Clock
    settings: DialerSettings
    dialling: Dialling
    """Who carries the other calls of a groupcall: the dialer itself."""


@contextmanager
def untraced() -> Iterator[None]:
    """Keep a loop that never ends out of the traces: its polls would only drown the rest."""
    with telemetry.remote_parent(_UNSAMPLED):
        yield
