"""Serves the contracts over REST: one generic transcoder, no code per route.

`Transcoder(services, authenticator)` is an ASGI application. Paths, permissions, bodies and
errors are compiled from descriptors when it is made.
"""

from api_gateway.transcoder.app import Transcoder, TranscoderSettings
from api_gateway.transcoder.auth import Authenticator, Credentials
from api_gateway.transcoder.endpoint import ServedService
from api_gateway.transcoder.http import AsgiApp

__all__ = [
    "AsgiApp",
    "Authenticator",
    "Credentials",
    "ServedService",
    "Transcoder",
    "TranscoderSettings",
]
