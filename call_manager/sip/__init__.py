"""The SIP channel: places legs (RFC 3261), remembers them, ends what a crash left.

A newcomer's path: `message` reads and writes what is said, `transport` carries it. The rules of a
leg are sans-I/O, inputs in and effects out (`effects`): `transaction` and `exchange` are its
transactions, `dialog` and `session` a dialog in use, `refresher` its timer, `sdp` its audio; `uac`
is a leg from its INVITE to its end, `recovery` one that a crash left, `probe` an OPTIONS, each on
`core`. `runner` carries the effects out: messages by `sending`, audio by `studio`, rows by the
call's journal. `channel` tells legs apart by their Call-ID; who has none is a stranger
(`strangers`).
"""
