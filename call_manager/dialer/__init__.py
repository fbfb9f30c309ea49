"""From a committed call to a finished one: claim, dial, follow, run the flow, end, recover."""

from call_manager.dialer.dialer import Dialer, Peers
from call_manager.dialer.equipment import DialerSettings

__all__ = ["Dialer", "DialerSettings", "Peers"]
