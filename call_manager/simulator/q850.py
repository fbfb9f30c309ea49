"""Q.850 causes as a gateway to the telephone network tells them (RFC 3398, RFC 3326)."""

from __future__ import annotations

from typing import Final

CAUSES: Final = {  # ITU-T Q.850 table 1, in the words of its definitions.
    1: "Unallocated (unassigned) number",
    2: "No route to specified transit network",
    3: "No route to destination",
    16: "Normal call clearing",
    17: "User busy",
    18: "No user responding",
    19: "No answer from user (user alerted)",
    20: "Subscriber absent",
    21: "Call rejected",
    22: "Number changed",
    23: "Redirection to new destination",
    26: "Non-selected user clearing",
    27: "Destination out of order",
    28: "Invalid number format (address incomplete)",
    29: "Facility rejected",
    31: "Normal, unspecified",
    34: "No circuit/channel available",
    38: "Network out of order",
    41: "Temporary failure",
    42: "Switching equipment congestion",
    47: "Resource unavailable, unspecified",
    55: "Incoming calls barred within CUG",
    57: "Bearer capability not authorized",
    58: "Bearer capability not presently available",
    65: "Bearer capability not implemented",
    70: "Only restricted digital information bearer capability is available",
    79: "Service or option not implemented, unspecified",
    87: "User not member of CUG",
    88: "Incompatible destination",
    102: "Recovery on timer expiry",
    111: "Protocol error, unspecified",
    127: "Interworking, unspecified",
}
_STATUS: Final = {  # RFC 3398 section 8.2.6.1
    **dict.fromkeys((1, 2, 3, 26), 404),
    17: 486,
    18: 408,
    **dict.fromkeys((19, 20, 31), 480),
    **dict.fromkeys((21, 55, 57, 87), 403),
    **dict.fromkeys((22, 23), 410),
    27: 502,
    28: 484,
    **dict.fromkeys((29, 79), 501),
    **dict.fromkeys((34, 38, 41, 42, 47, 58, 88), 503),
    **dict.fromkeys((65, 70), 488),
    102: 504,
}


def status_of(cause: int) -> int:
    """Return the SIP status a gateway makes of a cause; 500 where RFC 3398 knows no better."""
    return _STATUS.get(cause, 500)


def reason_header(cause: int) -> tuple[str, str]:
    """Return the header that names a cause (RFC 3326 section 2)."""
    text = CAUSES.get(cause)
    return "Reason", f"Q.850;cause={cause}" + (f';text="{text}"' if text else "")
