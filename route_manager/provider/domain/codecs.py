"""Audio codecs by the names of SDP."""

from __future__ import annotations

from typing import Final

PLAYABLE: Final = frozenset({"PCMU", "PCMA"})
"""What this platform can play and hear (call_manager's `sip.sdp.ENCODABLE`; a test compares)."""

KNOWN: Final = PLAYABLE | frozenset(
    {
        *("AC3", "AMR", "AMR-WB", "AMR-WB+", "BV16", "BV32", "CN", "DVI4", "EVRC", "EVRC0"),
        *("EVRC1", "EVRCB", "EVRCB0", "EVRCB1", "EVRCNW", "EVRCWB", "EVS", "G719", "G722"),
        *("G7221", "G723", "G726-16", "G726-24", "G726-32", "G726-40", "G728", "G729"),
        *("G7291", "G729D", "G729E", "GSM", "GSM-EFR", "GSM-HR-08", "ILBC", "IP-MR_V2.5"),
        *("L8", "L16", "L20", "L24", "LPC", "MELP", "MPA", "MPEG4-GENERIC", "MP4A-LATM"),
        *(
            "OPUS",
            "PCMA-WB",
            "PCMU-WB",
            "QCELP",
            "RED",
            "SCIP",
            "SMV",
            "SMV0",
            "SPEEX",
            "TETRA_ACELP",
        ),
        *("TSVCIS", "UEMCLIP", "VMR-WB"),
    }
)
"""Names in the IANA registry of RTP payload formats (audio), in upper case; RFC 4855 compares them
without regard to case."""
