"""What carries messages (RFC 3261 section 18), and where to (RFC 3263).

Knows messages and addresses, and nothing of calls: `transports` opens what a channel listens at
and sends to any destination. Datagrams are `udp`'s; of connections `streams` is the pool,
`stream` one of them, `framing` its cutting into messages, `connecting` and `certificates` how one
is made. `lookup` asks the DNS, `resolve` makes destinations of what it says; `via` writes what of
a message is the transport's.
"""
