"""The public door's rules, which REST and gRPC share; derived from the contracts at boot."""

from api_gateway.door.credentials import Authenticator, Credentials
from api_gateway.door.door import Door, DoorSettings
from api_gateway.door.limits import Rates
from api_gateway.door.rpcs import Deadlines, PublicRpc, ServedService

__all__ = [
    "Authenticator",
    "Credentials",
    "Deadlines",
    "Door",
    "DoorSettings",
    "PublicRpc",
    "Rates",
    "ServedService",
]
