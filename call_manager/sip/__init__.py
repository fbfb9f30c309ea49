"""The SIP channel: places legs over UDP (RFC 3261), remembers them, ends what a crash left.

`message`, `transaction`, `dialog`, `sdp`, `session`, `uac` and `recovery` are sans-I/O: events
in, effects out. `leg`, `udp`, `resolve` and `channel` carry the effects to sockets, timers and
the journal.
"""
