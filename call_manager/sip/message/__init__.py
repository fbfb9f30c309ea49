"""SIP messages: octets in, octets out; the only module that knows aiosipua.

Text is UTF-8 with `surrogateescape`, so that a Latin-1 byte a carrier sends goes back to it
unchanged. Header names keep their case on the wire.
"""

from call_manager.sip.message.digest import (
    Answering,
    Authenticator,
    quoted,
)
from call_manager.sip.message.fields import (
    SIP_PORT,
    CSeq,
    MalformedMessageError,
    NameAddr,
    Via,
    host_port_of,
    is_loose,
    place_of,
    read_name_addr,
    read_via,
    tag_of,
)
from call_manager.sip.message.reason import q850_of, write_reason
from call_manager.sip.message.wire import (
    MESSAGE_MAX,
    Headers,
    Message,
    Request,
    Response,
    encode,
    parse,
    phrase_of,
    readable,
)

__all__ = [
    "MESSAGE_MAX",
    "SIP_PORT",
    "Answering",
    "Authenticator",
    "CSeq",
    "Headers",
    "MalformedMessageError",
    "Message",
    "NameAddr",
    "Request",
    "Response",
    "Via",
    "encode",
    "host_port_of",
    "is_loose",
    "parse",
    "phrase_of",
    "place_of",
    "q850_of",
    "quoted",
    "read_name_addr",
    "read_via",
    "readable",
    "tag_of",
    "write_reason",
]
