"""Serves the contracts over REST: one generic transcoder, no code per route.

`Transcoder(door)` is an ASGI application. Paths, bodies and errors are compiled from descriptors
when it is made; who may ask, and how often, is the door's business.
"""

from api_gateway.transcoder.app import Transcoder, TranscoderSettings
from api_gateway.transcoder.http import AsgiApp

__all__ = ["AsgiApp", "Transcoder", "TranscoderSettings"]
