"""What a call needs of the wire: dial one target, follow the dialog, hang up, be heard.

The protocols here hold no SIP machinery; `call_manager.sip` fulfils them. A channel looks
nothing up: everything that reaches the wire is in the `DialTarget`, and everything that must
outlive the process goes through the `CallJournal` before the byte it stands for leaves.
"""

from call_manager.channel.events import (
    Answered,
    ChannelEvent,
    Ended,
    EndedBy,
    MediaFailure,
    Progress,
)
from call_manager.channel.protocols import (
    CallJournal,
    Channel,
    Leg,
    Listener,
    Media,
)
from call_manager.channel.records import (
    Q850,
    AttemptOutcome,
    AttemptState,
    DialogRecord,
    DnsRecord,
    InviteRecord,
    MediaReport,
    ProbeResult,
    RtpCount,
    StoredAttempt,
    TlsPeer,
    WireMessage,
)
from call_manager.channel.target import (
    Credentials,
    DialTarget,
    NextHop,
    Transport,
)

__all__ = [
    "Q850",
    "Answered",
    "AttemptOutcome",
    "AttemptState",
    "CallJournal",
    "Channel",
    "ChannelEvent",
    "Credentials",
    "DialTarget",
    "DialogRecord",
    "DnsRecord",
    "Ended",
    "EndedBy",
    "InviteRecord",
    "Leg",
    "Listener",
    "Media",
    "MediaFailure",
    "MediaReport",
    "NextHop",
    "ProbeResult",
    "Progress",
    "RtpCount",
    "StoredAttempt",
    "TlsPeer",
    "Transport",
    "WireMessage",
]
