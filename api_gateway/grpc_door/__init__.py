"""Serves the public RPCs over gRPC, at a port of their own, by the door's rules."""

from api_gateway.grpc_door.server import PublicGrpc

__all__ = ["PublicGrpc"]
